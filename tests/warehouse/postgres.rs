//! A database of a PostgreSQL server, read by the `postgres` source, or by `redshift`, whose protocol it
//! speaks.

use std::sync::{Mutex, OnceLock};

use crate::cluster::{ADMIN, ADMIN_PASSWORD, Cluster};
use crate::loader::Warehouse;
use crate::table::{Table, Type};

pub struct Postgres {
    cluster: &'static Cluster,
    database: String,
    type_name: &'static str,
}

/// The server of all these tests; it ends with them.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start();
        std::fs::write(cluster.folder.join("secret"), ADMIN_PASSWORD).unwrap();
        cluster
    })
}

impl Postgres {
    /// An empty database, to be read by the source of this type.
    pub fn start(type_name: &'static str) -> Self {
        static MADE: Mutex<usize> = Mutex::new(0);
        let cluster = cluster();
        let mut made = MADE.lock().unwrap();
        *made += 1;
        let database = format!("test_{made}");
        cluster.sql(&format!("CREATE DATABASE {database}"));
        Self {
            cluster,
            database,
            type_name,
        }
    }

    /// Where the server listens.
    pub fn port(&self) -> u16 {
        self.cluster.port
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// Runs SQL as the superuser.
    pub fn sql(&self, sql: &str) {
        self.cluster.sql_in(&self.database, sql);
    }

    /// A connection to it by way of another port of this machine.
    pub fn connection_at(&self, port: u16) -> String {
        self.way(self.type_name, port)
    }

    fn way(&self, type_name: &str, port: u16) -> String {
        format!(
            "{{ type: {type_name}, host: 127.0.0.1, port: {port}, database: {}, user: {ADMIN}, password: \"${{file:{}}}\", tls: disable }}",
            self.database,
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
        let file = self
            .cluster
            .folder
            .join(format!("{}-{}.csv", self.database, table.name));
        std::fs::write(&file, table.csv()).unwrap();
        let name = table.name;
        self.sql(&format!(
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

    fn ways(&self) -> Vec<String> {
        let port = self.cluster.port;
        vec![self.way("postgres", port), self.way("redshift", port)]
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
