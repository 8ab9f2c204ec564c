//! Values as REST has them: `{"v": …}`, with `{"f": […]}` for structs
//! (<https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults>).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cell::{Cell, bound};
use crate::kind::Kind;
use crate::scalar::{Scalar, Unfit};

/// One row.
#[derive(Debug, Deserialize)]
pub(crate) struct Row<'a> {
    /// Its values, in the order of the columns.
    #[serde(borrow, default)]
    pub(crate) f: Vec<Wire<'a>>,
}

/// One value, not looked into yet.
#[derive(Debug, Deserialize)]
pub(crate) struct Wire<'a> {
    #[serde(borrow)]
    v: &'a RawValue,
}

impl Wire<'_> {
    /// Bytes of its text.
    pub(crate) fn size(&self) -> usize {
        self.v.get().len()
    }

    fn string(&self) -> Result<Cow<'_, str>, Unfit> {
        let raw = self.v.get();
        match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inside) if !inside.contains('\\') => Ok(Cow::Borrowed(inside)),
            Some(_) => serde_json::from_str(raw)
                .map(Cow::Owned)
                .map_err(|_| Unfit::Malformed),
            // Numbers and booleans come as strings; a server that writes them bare means the same.
            None if raw.starts_with(['{', '[']) => Err(Unfit::Malformed),
            None => Ok(Cow::Borrowed(raw)),
        }
    }
}

impl Cell for Wire<'_> {
    fn is_null(&self) -> bool {
        self.v.get() == "null"
    }

    fn scalar(&self, kind: &Kind) -> Result<Scalar<'_>, Unfit> {
        Scalar::parse(kind, self.string()?)
    }

    fn items(&self) -> Result<Vec<Self>, Unfit> {
        // An array that is NULL is empty.
        if self.is_null() {
            return Ok(Vec::new());
        }
        serde_json::from_str(self.v.get()).map_err(|_| Unfit::Malformed)
    }

    fn fields(&self) -> Result<Vec<Self>, Unfit> {
        let row: Row<'_> = serde_json::from_str(self.v.get()).map_err(|_| Unfit::Malformed)?;
        Ok(row.f)
    }

    fn bounds(&self, element: &Kind) -> Result<[Option<String>; 2], Unfit> {
        let text = self.string()?;
        let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(')'));
        let (start, end) = inside
            .and_then(|inside| inside.split_once(", "))
            .ok_or(Unfit::Malformed)?;
        let read = |text: &str| -> Result<Option<String>, Unfit> {
            if text.eq_ignore_ascii_case("UNBOUNDED") || text.eq_ignore_ascii_case("NULL") {
                return Ok(None);
            }
            Scalar::parse(element, Cow::Borrowed(text)).map(|scalar| Some(bound(&scalar)))
        };
        Ok([read(start)?, read(end)?])
    }
}
