//! Promises under virtual time.
