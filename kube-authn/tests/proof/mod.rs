//! What the proofs share with the program that makes them, `equal_authn`.

pub mod case;
pub mod corpus;
pub mod documents;
pub mod equal;
pub mod generator;
pub mod hand_made;
pub mod oracle;
pub mod signing;
pub mod token;
pub mod upstream;
pub mod validation;
pub mod wycheproof;
