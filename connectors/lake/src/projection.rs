//! Which columns of a table are wanted.

/// Which columns of a file are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Columns<'a> {
    /// These, or all when there are none.
    Wanted(&'a [String]),
    /// All whose values can be sent somewhere.
    Sendable,
}

impl<'a> Columns<'a> {
    /// Their names; none for all.
    pub(crate) fn wanted(self) -> &'a [String] {
        match self {
            Columns::Wanted(names) => names,
            Columns::Sendable => &[],
        }
    }
}
