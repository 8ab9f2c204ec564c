//! What these tests need of a warehouse.

use outflow_sdk::value::Value;

use crate::table::Table;

/// A warehouse, or what stands in for it, that tests load tables into and read through its connector.
pub trait Warehouse {
    /// Makes a table and its rows; one of the same name is replaced.
    fn load(&mut self, table: &Table);

    /// The value of its connection in `outflow.yaml`, such as `{ type: postgres, host: … }`. Tables are
    /// read from where [`load`](Self::load) puts them by their bare names.
    fn connection(&self) -> String;

    /// Connections that reach the same tables, one for each way their rows can come.
    fn ways(&self) -> Vec<String> {
        vec![self.connection()]
    }

    /// What the emulator gets wrong, not the connector.
    fn differences(&self) -> Vec<Difference> {
        Vec::new()
    }
}

/// A column whose values an emulator changes.
pub struct Difference {
    /// The column of [`customers`](crate::customers).
    pub column: &'static str,
    /// What the emulator does, in a few words.
    pub because: &'static str,
    /// The value that arrives instead of the true one; the same one where nothing is wrong.
    pub instead: fn(&Value) -> Value,
}
