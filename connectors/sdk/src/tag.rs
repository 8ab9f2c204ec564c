//! Who runs a query, for the logs and bills of a warehouse.

/// Who runs a query.
#[derive(Clone, Debug)]
pub struct Tag {
    sync: String,
    run_id: String,
}

impl Tag {
    /// The tag of a run.
    pub fn new(sync: &str, run_id: &str) -> Self {
        // What may end a comment or does not print is not let through.
        let safe = |text: &str| -> String {
            text.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                        c
                    } else {
                        '_'
                    }
                })
                .take(100)
                .collect()
        };
        Self {
            sync: safe(sync),
            run_id: safe(run_id),
        }
    }

    /// `outflow/SYNC/RUN`.
    pub fn name(&self) -> String {
        format!("outflow/{}/{}", self.sync, self.run_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_cannot_end_the_comment_it_stands_in() {
        assert_eq!(Tag::new("s */ x", "r1").name(), "outflow/s____x/r1");
        assert_eq!(
            Tag::new(&"é".repeat(300), "r").name().len(),
            100 + "outflow//r".len()
        );
    }
}
