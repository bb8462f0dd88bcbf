//! `grant_type=authorization_code` (RFC 6749 section 4.1.3, RFC 7636 section
//! 4.5).

use super::TokenRequest;
use crate::domain::client::OAuthFlow;
use crate::domain::grant::{SecretKey, Via};
use crate::domain::scope::Scopes;
use crate::domain::token::TokenSet;
use crate::domain::{Client, OAuthError};
use crate::flow::Idp;

impl Idp {
    pub(super) async fn exchange_code(
        &self,
        client: &Client,
        request: &TokenRequest,
    ) -> Result<TokenSet, OAuthError> {
        let code = request.code.as_ref().ok_or(OAuthError::InvalidRequest)?;
        let redirect_uri = request.redirect_uri.as_ref();
        let redirect_uri = redirect_uri.ok_or(OAuthError::InvalidRequest)?;
        if !client.allows_oauth(OAuthFlow::Code) {
            return Err(OAuthError::UnauthorizedClient);
        }
        let code = self
            .store()
            .take_code(&SecretKey::of(code.expose()), &client.id)
            .filter(|code| code.expires > self.now())
            .ok_or(OAuthError::InvalidGrant)?;
        if code.redirect_uri != *redirect_uri {
            // Observed on AWS, where RFC 6749 section 5.2 has invalid_grant.
            return Err(OAuthError::UnauthorizedClient);
        }
        let verifier = request.code_verifier.as_ref().map(|v| v.expose().as_str());
        if !code.verifier_fits(verifier) || !reads_scopes(client, &code.grant.scopes) {
            return Err(OAuthError::InvalidGrant);
        }
        let user = self.user_of(&code.grant);
        let user = user.ok_or(OAuthError::InvalidGrant)?;
        self.first_tokens(client, &user, &code.grant, Via::OAuth)
            .await
            .map_err(|_| OAuthError::ServerError)
    }
}

/// Whether the client reads all attributes of the scopes asked for: to ask
/// for `email` it must read `email_verified` too (Cognito developer guide,
/// "Token endpoint", `invalid_grant`). `profile` stands for whatever the
/// client reads.
fn reads_scopes(client: &Client, scopes: &Scopes) -> bool {
    let reads = |scope, attributes: [&str; 2]| {
        !scopes.contains(scope) || attributes.iter().all(|a| client.reads(a))
    };
    reads("email", ["email", "email_verified"])
        && reads("phone", ["phone_number", "phone_number_verified"])
}
