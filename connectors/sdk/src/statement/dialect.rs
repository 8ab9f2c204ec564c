//! Warehouses' rules for quotes and comments, as data.

/// What of a warehouse's SQL decides where a statement ends.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// The words a query may begin with, in lower case.
    pub first_words: &'static [&'static str],
    /// Whether a backslash escapes in a quoted string.
    pub backslash: Backslash,
    /// Whether double quotes hold a string; else they hold a name.
    pub double_quoted_strings: bool,
    /// Whether three quotes begin a string that only three end.
    pub triple_quotes: bool,
    /// Whether backticks hold a name.
    pub backtick_names: bool,
    /// Strings between dollar signs.
    pub dollar_strings: DollarStrings,
    /// Whether `E'…'` is a string in which a backslash escapes.
    pub escape_strings: bool,
    /// Whether comments between `/*` and `*/` nest.
    pub nested_comments: bool,
    /// What begins a comment that ends with its line, besides `--`.
    pub line_comment: Option<&'static str>,
    /// Whether `$1` is a parameter.
    pub dollar_parameters: bool,
}

/// Whether a backslash escapes the next character of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backslash {
    /// Never.
    Plain,
    /// Always.
    Escapes,
    /// That depends on the server: a second statement under either reading is refused.
    Either,
}

/// Strings between dollar signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DollarStrings {
    /// There are none.
    No,
    /// `$$…$$`.
    Plain,
    /// `$$…$$` and `$tag$…$tag$`.
    Tagged,
}

impl Dialect {
    /// PostgreSQL.
    pub const POSTGRES: Self = Self {
        first_words: &["select", "with", "values", "table"],
        backslash: Backslash::Plain,
        double_quoted_strings: false,
        triple_quotes: false,
        backtick_names: false,
        dollar_strings: DollarStrings::Tagged,
        escape_strings: true,
        nested_comments: true,
        line_comment: None,
        dollar_parameters: true,
    };

    /// Amazon Redshift, which reads a backslash in a string as an escape where PostgreSQL does not.
    pub const REDSHIFT: Self = Self {
        backslash: Backslash::Either,
        ..Self::POSTGRES
    };

    /// BigQuery's GoogleSQL. A raw string too goes on after a backslash and a quote, so raw strings need
    /// no rule of their own.
    pub const BIGQUERY: Self = Self {
        first_words: &["select", "with", "from"],
        backslash: Backslash::Escapes,
        double_quoted_strings: true,
        triple_quotes: true,
        backtick_names: true,
        dollar_strings: DollarStrings::No,
        escape_strings: false,
        nested_comments: false,
        line_comment: Some("#"),
        dollar_parameters: false,
    };

    /// Snowflake.
    pub const SNOWFLAKE: Self = Self {
        first_words: &["select", "with", "values"],
        backslash: Backslash::Escapes,
        double_quoted_strings: false,
        triple_quotes: false,
        backtick_names: false,
        dollar_strings: DollarStrings::Plain,
        escape_strings: false,
        nested_comments: false,
        line_comment: Some("//"),
        dollar_parameters: false,
    };
}
