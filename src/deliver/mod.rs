//! The only retry loop: limits, retries, breaker, bisection and settled outcomes.
