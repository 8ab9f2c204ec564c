//! Which columns a statement can possibly read, told from its text alone.
//!
//! Copying a wide file into SQLite costs most of the time of a query over it, and most queries name
//! few of its columns. A column whose name is nowhere in the text cannot be read, except where SQL
//! means columns without naming them: `*`, NATURAL joins and `IN table`. There all are kept.

use crate::open::FileTable;

/// The statement's text, folded so that a name is found however it is quoted or cased.
#[derive(Debug)]
pub(crate) struct Mentioned {
    text: String,
    names_all: bool,
}

impl Mentioned {
    /// What `sql` mentions.
    pub(crate) fn by(sql: &str) -> Self {
        let folded = sql.to_lowercase();
        let unquoted: String = folded
            .chars()
            .filter(|letter| !"\"`[]".contains(*letter))
            .collect();
        let words: Vec<&str> = unquoted.split_whitespace().collect();
        let text = words.join(" ").replace(" .", ".").replace(". ", ".");
        let stars = text.matches('*').count();
        let counts = text.replace(' ', "").matches("count(*)").count();
        Self {
            names_all: stars > counts || text.contains("natural"),
            text,
        }
    }

    /// Whether `name`, in lower case, is somewhere in the text.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.text.contains(name)
    }

    /// Leaves out of `file`, which goes by `table`, the columns the statement cannot read.
    pub(crate) fn narrow(&self, table: &str, file: &mut FileTable) {
        if self.names_all || self.has(&format!(" in {}", table.to_lowercase())) {
            return;
        }
        let wanted = |name: &str| {
            let unusual = name.contains(|letter: char| letter.is_whitespace() || "\"`[].".contains(letter));
            unusual || self.has(&name.to_lowercase())
        };
        if file.columns().iter().any(|column| wanted(&column.name)) {
            file.narrow(&wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        let mentioned = Mentioned::by("SELECT \"Id\",\n [e-mail] FROM shop . `People`");
        assert!(!mentioned.names_all);
        for name in ["id", "e-mail", "shop.people"] {
            assert!(mentioned.has(name), "{name}");
        }
        assert!(!mentioned.has("phone"));
    }

    #[test]
    fn columns_meant_without_their_names_keep_all() {
        for sql in [
            "SELECT t.* FROM t",
            "SELECT a*b FROM t",
            "SELECT 1 FROM a NATURAL JOIN b",
        ] {
            assert!(Mentioned::by(sql).names_all, "{sql}");
        }
        assert!(!Mentioned::by("SELECT count( * ) FROM t").names_all);
    }
}
