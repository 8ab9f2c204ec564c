//! Batches of the Storage Read API as the batches that were announced.
//!
//! Most columns come in their type already and are passed on as they are; the rest (times of day,
//! structs, numbers of another scale) are built anew, from the same values as REST gives.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::batch::{BATCH_ROWS, ColumnBuilder, assemble, schema, unreadable};
use crate::kind::{Kind, Typed};
use crate::scalar::Unfit;
use crate::slot::Slot;

/// How batches of one schema become those of another.
#[derive(Clone)]
pub(crate) struct Layout {
    label: String,
    schema: SchemaRef,
    columns: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    /// Position of the column in what comes.
    at: usize,
    column: Typed,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Pass,
    /// A list of text, but for the name of its items.
    Relabel,
    Build,
}

impl Layout {
    /// The way from `incoming` to these columns; `label` is what messages call the model.
    ///
    /// # Errors
    /// `columns_changed` when one of them does not come.
    pub(crate) fn new(label: &str, incoming: &Schema, columns: &[Typed]) -> Result<Self, ConnectorError> {
        let mut steps = Vec::with_capacity(columns.len());
        for column in columns {
            let named = |name: &str| name.eq_ignore_ascii_case(&column.name);
            let found = incoming.fields().iter().position(|field| named(field.name()));
            let Some((at, field)) = found.and_then(|at| Some((at, incoming.fields().get(at)?))) else {
                return Err(columns_changed(label));
            };
            steps.push(Step {
                at,
                column: column.clone(),
                how: How::of(field.data_type(), &column.kind),
            });
        }
        Ok(Self {
            label: label.to_owned(),
            schema: schema(columns),
            columns: steps,
        })
    }

    /// A batch as batches of a few thousand rows, each made when it is asked for.
    ///
    /// # Errors
    /// `value_unreadable` with the column when a value is none of its type.
    pub(crate) fn convert(
        &self,
        batch: &RecordBatch,
    ) -> impl Iterator<Item = Result<RecordBatch, ConnectorError>> {
        let rows = batch.num_rows();
        let starts = (0..rows).step_by(BATCH_ROWS);
        starts.map(move |start| self.part(&batch.slice(start, BATCH_ROWS.min(rows - start))))
    }

    fn part(&self, batch: &RecordBatch) -> Result<RecordBatch, ConnectorError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for step in &self.columns {
            let array = batch
                .columns()
                .get(step.at)
                .ok_or_else(|| columns_changed(&self.label))?;
            let converted = step
                .apply(array)
                .map_err(|unfit| unreadable(&self.label, &step.column.name, None, unfit))?;
            columns.push(converted);
        }
        assemble(&self.schema, columns, batch.num_rows())
    }
}

impl How {
    fn of(incoming: &DataType, kind: &Kind) -> Self {
        match (incoming, kind.arrow_type()) {
            (incoming, announced) if *incoming == announced && !holds_parts(kind) => How::Pass,
            // JSON and times inside a list are written anew.
            (DataType::List(item), DataType::List(_))
                if *item.data_type() == DataType::Utf8 && is_list_of_text(kind) =>
            {
                How::Relabel
            }
            _ => How::Build,
        }
    }
}

/// Whether equal Arrow types do not mean equal texts.
fn holds_parts(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::List(_) | Kind::Struct(_) | Kind::Range(_) | Kind::Time | Kind::Interval
    )
}

fn is_list_of_text(kind: &Kind) -> bool {
    matches!(kind, Kind::List(item) if **item == Kind::Text)
}

impl Step {
    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef, Unfit> {
        match (self.how, array.data_type()) {
            (How::Pass, incoming) if *incoming == self.column.kind.arrow_type() => Ok(Arc::clone(array)),
            (How::Relabel, DataType::List(_)) if array.null_count() == 0 => relabelled(array),
            _ => {
                let mut builder = ColumnBuilder::new(&self.column.kind);
                for row in 0..array.len() {
                    builder.append(&Slot::new(array.as_ref(), row))?;
                }
                Ok(builder.finish())
            }
        }
    }
}

fn relabelled(array: &ArrayRef) -> Result<ArrayRef, Unfit> {
    let list = array.as_list::<i32>();
    let DataType::List(item) = Kind::List(Box::new(Kind::Text)).arrow_type() else {
        return Err(Unfit::Malformed);
    };
    let renamed = ListArray::try_new(item, list.offsets().clone(), Arc::clone(list.values()), None);
    renamed
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|_| Unfit::Malformed)
}

/// The model has other columns than a moment ago.
pub(crate) fn columns_changed(label: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Source { transient: true },
        "columns_changed",
        format!("{label}: its columns changed while it was being read"),
    )
    .with_hint("run it again")
}

#[cfg(test)]
mod tests;
