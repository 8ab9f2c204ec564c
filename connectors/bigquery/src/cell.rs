//! A value with its parts, whichever route it came by, and what becomes of structs, ranges and lists.

use crate::kind::Kind;
use crate::scalar::{Scalar, Unfit, quote};

/// A value as a route has it.
pub(crate) trait Cell: Sized {
    /// Whether it is NULL.
    fn is_null(&self) -> bool;

    /// The value, of a kind without parts.
    fn scalar(&self, kind: &Kind) -> Result<Scalar<'_>, Unfit>;

    /// The items of an array; one that is NULL has none, as in BigQuery.
    fn items(&self) -> Result<Vec<Self>, Unfit>;

    /// The fields of a struct, in order.
    fn fields(&self) -> Result<Vec<Self>, Unfit>;

    /// The start and end of a range of this kind, each as text; none where it is open.
    fn bounds(&self, element: &Kind) -> Result<[Option<String>; 2], Unfit>;
}

/// The value as text: canonical for scalars, `[start, end)` for ranges, JSON for structs.
pub(crate) fn text(cell: &impl Cell, kind: &Kind) -> Result<String, Unfit> {
    match kind {
        Kind::Range(element) => {
            let [start, end] = cell.bounds(element)?;
            let open = || "UNBOUNDED".to_owned();
            Ok(format!(
                "[{}, {})",
                start.unwrap_or_else(open),
                end.unwrap_or_else(open)
            ))
        }
        Kind::Struct(_) | Kind::List(_) => {
            let mut out = String::new();
            json(cell, kind, &mut out)?;
            Ok(out)
        }
        _ => cell.scalar(kind).map(|scalar| scalar.text().into_owned()),
    }
}

/// Appends the value as JSON.
pub(crate) fn json<C: Cell>(cell: &C, kind: &Kind, out: &mut String) -> Result<(), Unfit> {
    match kind {
        Kind::List(_) => {}
        _ if cell.is_null() => {
            out.push_str("null");
            return Ok(());
        }
        _ => {}
    }
    match kind {
        Kind::Struct(fields) => {
            let cells = cell.fields()?;
            if cells.len() != fields.len() {
                return Err(Unfit::Malformed);
            }
            out.push('{');
            for (at, (inner, (name, kind))) in cells.iter().zip(fields).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(name, out);
                out.push(':');
                json(inner, kind, out)?;
            }
            out.push('}');
        }
        Kind::List(item) => {
            out.push('[');
            for (at, inner) in cell.items()?.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json(inner, item, out)?;
            }
            out.push(']');
        }
        Kind::Range(_) => quote(&text(cell, kind)?, out),
        _ => cell.scalar(kind)?.json(out),
    }
    Ok(())
}

/// A bound of a range as text: `2026-01-01`, without the `Z` that a datetime does not have.
pub(crate) fn bound(scalar: &Scalar<'_>) -> String {
    let text = scalar.text();
    match scalar {
        Scalar::Datetime(_) => text.trim_end_matches('Z').to_owned(),
        _ => text.into_owned(),
    }
}
