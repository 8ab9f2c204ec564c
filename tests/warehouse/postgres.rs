//! A PostgreSQL server of its own, read by the `postgres` source, or by `redshift`, whose protocol it
//! speaks.

use crate::cluster::{ADMIN, ADMIN_PASSWORD, Cluster};
use crate::loader::Warehouse;
use crate::table::{Table, Type};

pub struct Postgres {
    cluster: Cluster,
    type_name: &'static str,
}

impl Postgres {
    /// A server, to be read by the source of this type.
    pub fn start(type_name: &'static str) -> Self {
        let cluster = Cluster::start();
        std::fs::write(cluster.folder.join("secret"), ADMIN_PASSWORD).unwrap();
        Self { cluster, type_name }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.cluster.port
    }

    /// A connection to it by way of another port of this machine.
    pub fn connection_at(&self, port: u16) -> String {
        format!(
            "{{ type: {}, host: 127.0.0.1, port: {port}, database: postgres, user: {ADMIN}, password: \"${{file:{}}}\", tls: disable }}",
            self.type_name,
            self.cluster.folder.join("secret").display()
        )
    }
}

impl Warehouse for Postgres {
    fn load(&mut self, table: &Table) {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| format!("{name} {}", declared(*kind)))
            .collect();
        let file = self.cluster.folder.join(format!("{}.csv", table.name));
        std::fs::write(&file, table.csv()).unwrap();
        let name = table.name;
        self.cluster.sql(&format!(
            "DROP TABLE IF EXISTS {name};
             CREATE TABLE {name} ({});
             COPY {name} FROM '{}' WITH (FORMAT csv)",
            columns.join(", "),
            file.display()
        ));
    }

    fn connection(&self) -> String {
        self.connection_at(self.cluster.port)
    }
}

fn declared(kind: Type) -> String {
    match kind {
        Type::Small => "smallint".into(),
        Type::Integer => "bigint".into(),
        Type::Decimal(precision, scale) => format!("numeric({precision},{scale})"),
        Type::Float => "double precision".into(),
        Type::Boolean => "boolean".into(),
        Type::Text => "text".into(),
        Type::Date => "date".into(),
        Type::Timestamp => "timestamp".into(),
        Type::Instant => "timestamptz".into(),
        Type::Json => "jsonb".into(),
    }
}
