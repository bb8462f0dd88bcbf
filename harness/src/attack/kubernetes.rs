//! Which forged tokens Kubernetes itself accepts, and why. To accept one of
//! these for the same reason is no fault of the cluster that was attacked.
//!
//! Source: go-oidc v2, go-jose v2 and `oidc.go` of k8s.io/apiserver, by the
//! verdicts of Kubernetes' own code in `kube-authn/corpus`.

use mock_idp::forge::Forgery;

/// Why Kubernetes accepts it; none where it refuses.
pub fn accepts(word: Forgery) -> Option<&'static str> {
    Some(match word {
        Forgery::NearlyValid => "nbf has a minute of leeway",
        Forgery::SeveralAudiences => "one audience in common is enough",
        Forgery::ExpAsString => "a number in quotes is a number to it",
        Forgery::FractionalExp => "fractions of a second are cut off",
        Forgery::OddIat => "iat is not looked at",
        Forgery::EmptyUsername => "an empty name is a name, where it comes from a claim",
        Forgery::LongUsername => "a name may be of any length",
        Forgery::NoEmailVerified => "email_verified counts only where it is there",
        Forgery::GroupsAsString => "one group need not be a list",
        Forgery::ManyGroups => "there may be any number of groups",
        Forgery::DuplicateClaim => "of two claims of one name the last counts",
        Forgery::ClaimCase => "registered claims are read in whatever case",
        Forgery::NotUtf8 => "what is no UTF-8 is replaced",
        Forgery::NoKid => "without a kid every key is tried",
        Forgery::EmptyCritical => "an empty list asks for nothing",
        Forgery::Unencoded => "go-jose understands b64",
        Forgery::OtherAlgorithm => "it depends on the list of algorithms; the key's alg does not",
        Forgery::SpareBits => "go-jose encodes anew what it verifies",
        Forgery::WhiteSpace => "go-jose takes white space out",
        _ => return None,
    })
}

/// Whether who is let in is to be somebody else than the token's owner, or in other
/// groups, where nobody can reckon as whom.
pub fn renames(word: Forgery) -> bool {
    matches!(
        word,
        Forgery::EmptyUsername
            | Forgery::LongUsername
            | Forgery::DuplicateClaim
            | Forgery::GroupsAsString
            | Forgery::ManyGroups
    )
}
