//! Names as Snowflake's SQL has them.

use outflow_sdk::table_name::{Fold, Naming};

pub(crate) use outflow_sdk::table_name::quoted;

/// How tables are named. `database..table` is the table in the schema PUBLIC.
pub(crate) const NAMING: Naming = Naming {
    fold: Fold::Upper,
    schema_between_dots: Some("PUBLIC"),
    hint: "write `table`, `schema.table`, `database.schema.table` or, where a name has small letters or dots, \
           `schema.\"Table\"`",
};
