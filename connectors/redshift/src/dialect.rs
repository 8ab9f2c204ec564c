//! Where Redshift and PostgreSQL differ.

use outflow_sdk::statement;

/// Which of the two servers is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Amazon Redshift: PostgreSQL 8's protocol and catalogue, types of its own.
    Redshift,
    /// PostgreSQL 12 or later.
    Postgres,
}

impl Dialect {
    /// How its SQL is read.
    pub(crate) fn sql(self) -> &'static statement::Dialect {
        match self {
            Dialect::Redshift => &statement::Dialect::REDSHIFT,
            Dialect::Postgres => &statement::Dialect::POSTGRES,
        }
    }

    /// `text` as a literal. On Redshift a backslash escapes; a PostgreSQL session has it stand for itself.
    pub(crate) fn text_literal(self, text: &str) -> String {
        let doubled = text.replace('\'', "''");
        match self {
            Dialect::Redshift => format!("'{}'", doubled.replace('\\', "\\\\")),
            Dialect::Postgres => format!("'{doubled}'"),
        }
    }

    /// What messages call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Dialect::Redshift => "Redshift",
            Dialect::Postgres => "PostgreSQL",
        }
    }

    /// The port it listens on by default.
    pub(crate) fn port(self) -> u16 {
        match self {
            Dialect::Redshift => 5439,
            Dialect::Postgres => 5432,
        }
    }

    /// Settings without which values would be read wrongly or the session could write.
    pub(crate) fn required_settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Dialect::Redshift => &[("timezone", "UTC"), ("datestyle", "ISO")],
            Dialect::Postgres => &[
                ("timezone", "UTC"),
                ("datestyle", "ISO"),
                ("intervalstyle", "iso_8601"),
                ("bytea_output", "hex"),
                ("standard_conforming_strings", "on"),
                // The shortest text that reads back as the same float.
                ("extra_float_digits", "1"),
                ("default_transaction_read_only", "on"),
            ],
        }
    }

    /// Settings that help where the server's version has them.
    pub(crate) fn wished_settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Dialect::Redshift => &[
                ("extra_float_digits", "2"),
                ("intervalstyle", "iso_8601"),
                ("default_transaction_read_only", "on"),
            ],
            Dialect::Postgres => &[
                // Notices of functions may quote rows.
                ("client_min_messages", "error"),
                // A server that is sorting notices that nobody waits any more (PostgreSQL 14).
                ("client_connection_check_interval", "10s"),
            ],
        }
    }
}
