//! The statements that write rows to their table, one or many at a time.

use std::borrow::Cow;
use std::sync::LazyLock;

use outflow_sdk::print::Print;
use rusqlite::Statement;

use super::{StoredRow, SyncId};

/// The prints of a row as its column holds them: little-endian, one after the other.
fn blob(prints: &[Print]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytemuck::cast_slice(prints));
    }
    Cow::Owned(prints.iter().flat_map(|print| print.to_le_bytes()).collect())
}

/// Columns of a row.
pub(super) const COLUMNS: usize = 10;

/// Rows inserted by one statement: with a statement each, they take a third more time.
pub(super) const TOGETHER: usize = 25;

/// Inserts a row, unless its key is there already; for [`write_row`]. `OR FAIL`, because a statement that undoes
/// itself when it fails keeps every page as it was before: here the whole transaction is undone.
pub(super) const INSERT_ROW: &str =
    "INSERT OR FAIL INTO row (sync, key, print, layout, prints, remote, key_text, match_text, applied_ms, run)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";

/// Inserts [`TOGETHER`] rows, but those whose key is there already.
pub(super) static INSERT_ROWS: LazyLock<String> = LazyLock::new(|| {
    let row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    INSERT_ROW.replace(row, &[row; TOGETHER].join(", "))
});

/// Puts a row in the place of the one with its key; for [`write_row`].
pub(super) const UPDATE_ROW: &str =
    "UPDATE row SET print = ?3, layout = ?4, prints = ?5, remote = ?6, key_text = ?7,
        match_text = ?8, applied_ms = ?9, run = ?10
     WHERE sync = ?1 AND key = ?2";

/// Writes a row by a statement that takes its columns in the order of the table; whether it did.
pub(super) fn write_row(
    statement: &mut Statement<'_>,
    sync: SyncId,
    row: &StoredRow,
) -> rusqlite::Result<bool> {
    bind_row(statement, 0, sync, row)?;
    Ok(statement.raw_execute()? == 1)
}

/// Gives a statement the columns of a row, as its parameters after `place`.
pub(super) fn bind_row(
    statement: &mut Statement<'_>,
    place: usize,
    sync: SyncId,
    row: &StoredRow,
) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(place + 1, sync)?;
    statement.raw_bind_parameter(place + 2, row.key.to_be_bytes())?;
    statement.raw_bind_parameter(place + 3, row.print.cast_signed())?;
    statement.raw_bind_parameter(place + 4, row.layout)?;
    statement.raw_bind_parameter(place + 5, &*blob(&row.prints))?;
    statement.raw_bind_parameter(place + 6, row.remote.as_deref())?;
    statement.raw_bind_parameter(place + 7, &row.key_text)?;
    statement.raw_bind_parameter(place + 8, &row.match_text)?;
    statement.raw_bind_parameter(place + 9, row.applied_ms)?;
    statement.raw_bind_parameter(place + COLUMNS, row.run)
}
