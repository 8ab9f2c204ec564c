//! Names as the SQL of Redshift and PostgreSQL has them.

use outflow_sdk::table_name::{Fold, Naming};

pub(crate) use outflow_sdk::table_name::quoted;

/// How tables are named.
pub(crate) const NAMING: Naming = Naming {
    fold: Fold::Lower,
    schema_between_dots: None,
    hint: "write `table`, `schema.table` or, where a name has capitals or dots, `schema.\"Table\"`",
};
