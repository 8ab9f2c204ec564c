//! What each destination last acknowledged, and everything else that outlives a run.
