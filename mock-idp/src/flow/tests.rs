//! The behaviours that decide whether login leads to RBAC, each by its name.






mod tokens;
