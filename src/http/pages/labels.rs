//! Names of destination fields as marketers see them, asked for now and then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::project::Project;

/// How long the names of an object are kept, and how long it is left alone that could not be asked.
const KEPT: Duration = Duration::from_secs(3_600);
const LEFT_ALONE: Duration = Duration::from_secs(300);

/// Labels by internal name. A field that is not in it is called by its internal name.
pub(super) type Names = Arc<HashMap<String, String>>;

/// The labels of the destinations' fields.
#[derive(Default)]
pub(super) struct Labels(Mutex<HashMap<(String, String), Known>>);

struct Known {
    names: Names,
    until: Instant,
}

impl Labels {
    /// The labels of an object; asks for them until `deadline` if they are not known. No page fails for
    /// want of them.
    pub(super) async fn of(
        &self,
        project: &Project,
        destination: &str,
        object: &str,
        deadline: Instant,
    ) -> Names {
        let place = (destination.to_owned(), object.to_owned());
        // Held while it is asked: who comes meanwhile waits for the same answer.
        let Ok(mut known) = tokio::time::timeout_at(deadline, self.0.lock()).await else {
            return Names::default();
        };
        if let Some(known) = known.get(&place).filter(|known| known.until > Instant::now()) {
            return Arc::clone(&known.names);
        }
        let Some(connection) = project.destinations.get(destination) else {
            return Names::default();
        };
        let asked = tokio::time::timeout_at(deadline, connection.destination.describe(object)).await;
        let (names, time) = match asked {
            Ok(Ok(fields)) => {
                let labels = fields.into_iter().filter(|field| !field.label.is_empty());
                (labels.map(|field| (field.name, field.label)).collect(), KEPT)
            }
            Ok(Err(error)) => {
                tracing::debug!(destination, object, code = error.code, "no labels of fields");
                (HashMap::new(), LEFT_ALONE)
            }
            Err(_) => (HashMap::new(), LEFT_ALONE),
        };
        let names = Arc::new(names);
        let until = Instant::now() + time;
        known.insert(
            place,
            Known {
                names: Arc::clone(&names),
                until,
            },
        );
        names
    }
}

/// What a marketer calls a field.
pub(super) fn label(names: &Names, field: &str) -> String {
    names.get(field).cloned().unwrap_or_else(|| field.to_owned())
}
