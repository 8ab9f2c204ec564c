//! Quota: the accounts' limiters, and what of them survives a restart.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outflow_deliver::{Account, AccountSnapshot, Accounts, Clock};
use outflow_sdk::destination::Destination;
use outflow_state::Store;

use super::error::RunError;

/// How often a running delivery writes down what it used, so that a killed process does not start
/// with a fresh window.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// The accounts of this process, with their state.
pub struct Quotas {
    accounts: Accounts,
    store: Arc<Store>,
    restored: Mutex<HashSet<String>>,
}

impl Quotas {
    /// No account yet; `seed` makes the jitter of all of them reproducible.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            accounts: Accounts::new(clock, seed),
            store,
            restored: Mutex::default(),
        }
    }

    /// The account a destination spends the quota of, as the last process left it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn account(&self, destination: &dyn Destination) -> Result<Arc<Account>, RunError> {
        let key = destination.account_key();
        let account = self.accounts.account(&key, &destination.limits());
        let mut restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        if restored.insert(key.clone())
            && let Some(text) = self.store.limiter_load(&key)?
            && let Ok(snapshot) = serde_json::from_str::<AccountSnapshot>(&text)
        {
            account.restore(snapshot);
        }
        Ok(account)
    }

    /// Writes down what the account has used.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn save(&self, destination: &dyn Destination, account: &Account) -> Result<(), RunError> {
        save(&self.store, &destination.account_key(), account)
    }

    /// Writes it down again and again until the guard is dropped.
    pub fn keep_saving(&self, destination: &dyn Destination, account: &Arc<Account>) -> Saving {
        let (store, account) = (Arc::clone(&self.store), Arc::clone(account));
        let key = destination.account_key();
        Saving(tokio::spawn(async move {
            loop {
                tokio::time::sleep(SAVE_EVERY).await;
                if let Err(error) = save(&store, &key, &account) {
                    tracing::debug!(%error, "cannot write down the account's limits");
                }
            }
        }))
    }
}

/// Saves while it lives.
pub struct Saving(tokio::task::JoinHandle<()>);

impl Drop for Saving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn save(store: &Store, key: &str, account: &Account) -> Result<(), RunError> {
    let text =
        serde_json::to_string(&account.snapshot()).map_err(|error| RunError::Internal(error.to_string()))?;
    Ok(store.limiter_save(key, &text)?)
}
