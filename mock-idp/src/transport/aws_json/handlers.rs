//! From wire to flow and back, a function an operation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Exception;
use super::model::Operation;
use super::paging::List;
use crate::domain::{ClientId, Error, PoolId};
use crate::flow::Idp;
use crate::issuer;

mod clients;
mod groups;
mod pools;
mod sign_in;
mod users;

/// What every operation is given beside its input.
pub(super) struct Call<'a> {
    pub(super) idp: &'a Idp,
    /// The region the request was signed for, or else that of AWS' host it was
    /// sent to; none where it is neither.
    pub(super) region: Option<&'a str>,
    pub(super) operation: &'static Operation,
}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Reply {
    Nothing,
    Json(Vec<u8>),
}

type Outcome = Result<Reply, Exception>;

/// Does what `call.operation` says with `input`, which fits its shape.
pub(super) async fn perform(call: &Call<'_>, input: &Value) -> Outcome {
    match call.operation.name {
        "CreateUserPool" => pools::create(call, input),
        "DescribeUserPool" => pools::describe(call, input),
        "ListUserPools" => pools::list(call, input),
        "UpdateUserPool" => pools::update(call, input),
        "DeleteUserPool" => pools::delete(call, input),
        "CreateUserPoolDomain" => pools::create_domain(call, input),
        "DescribeUserPoolDomain" => pools::describe_domain(call, input),
        "DeleteUserPoolDomain" => pools::delete_domain(call, input),
        "TagResource" => pools::tag(call, input),
        "UntagResource" => pools::untag(call, input),
        "ListTagsForResource" => pools::tags(call, input),

        "CreateGroup" => groups::create(call, input),
        "GetGroup" => groups::get(call, input),
        "ListGroups" => groups::list(call, input),
        "UpdateGroup" => groups::update(call, input),
        "DeleteGroup" => groups::delete(call, input),
        "ListUsersInGroup" => groups::list_users(call, input),
        "AdminAddUserToGroup" => groups::add_user(call, input),
        "AdminRemoveUserFromGroup" => groups::remove_user(call, input),
        "AdminListGroupsForUser" => groups::list_for_user(call, input),

        "AdminCreateUser" => users::create(call, input),
        "AdminGetUser" => users::get(call, input),
        "AdminDeleteUser" => users::delete(call, input),
        "AdminEnableUser" => users::enable(call, input),
        "AdminDisableUser" => users::disable(call, input),
        "AdminSetUserPassword" => users::set_password(call, input),
        "AdminUpdateUserAttributes" => users::update_attributes(call, input),
        "AdminDeleteUserAttributes" => users::delete_attributes(call, input),
        "AdminUserGlobalSignOut" => users::sign_out(call, input),
        "ListUsers" => users::list(call, input),

        "CreateUserPoolClient" => clients::create(call, input),
        "DescribeUserPoolClient" => clients::describe(call, input),
        "UpdateUserPoolClient" => clients::update(call, input),
        "ListUserPoolClients" => clients::list(call, input),
        "DeleteUserPoolClient" => clients::delete(call, input),

        "InitiateAuth" | "AdminInitiateAuth" => sign_in::initiate(call, input).await,
        "RespondToAuthChallenge" | "AdminRespondToAuthChallenge" => {
            sign_in::respond(call, input).await
        }
        "GetTokensFromRefreshToken" => sign_in::refresh(call, input).await,
        "GetUser" => sign_in::get_user(call, input).await,
        "GlobalSignOut" => sign_in::sign_out(call, input).await,
        "RevokeToken" => sign_in::revoke(call, input),

        name => Err(Exception::not_implemented(name)),
    }
}

impl Call<'_> {
    /// The region to make things in.
    fn region(&self) -> &str {
        self.region.unwrap_or_else(|| self.idp.region())
    }

    /// The list that this operation gives of `of`.
    fn list<'b>(&self, of: &'b [&'b str]) -> List<'b> {
        List {
            of,
            now: self.idp.clock().now(),
        }
    }

    /// The pool a request names, where it exists in the request's region: to
    /// AWS a pool of another region does not exist.
    fn pool(&self, id: &str) -> Result<PoolId, Exception> {
        let id = PoolId::from(id);
        let pool = self.idp.pool(&id)?;
        if self.is_elsewhere(Some(&pool.region)) {
            return Err(Error::no_pool(id).into());
        }
        Ok(id)
    }

    /// The client that an unsigned request names, where it is one of the
    /// request's region. That there is one at all is the flow's to find out.
    fn client(&self, id: &str) -> Result<ClientId, Exception> {
        let id = ClientId::from(id);
        match self.idp.client(&id) {
            Ok(client) if self.is_elsewhere(client.pool.region()) => {
                Err(Error::no_client(&id).into())
            }
            _ => Ok(id),
        }
    }

    /// An access token, unless it is one of another region's.
    fn access_token<'t>(&self, token: &'t str) -> Result<&'t str, Exception> {
        let issuer = issuer::unverified_issuer(token).unwrap_or_default();
        let pool = issuer.rsplit('/').next().map(PoolId::from);
        if pool.is_some_and(|pool| self.is_elsewhere(pool.region())) {
            return Err(Error::not_authorized("Invalid Access Token").into());
        }
        Ok(token)
    }

    fn is_elsewhere(&self, region: Option<&str>) -> bool {
        self.region
            .is_some_and(|here| region.is_some_and(|there| there != here))
    }
}

/// Reads a request's wire type out of JSON that fits the operation's shape.
fn read<'a, T: Deserialize<'a>>(input: &'a Value) -> Result<T, Exception> {
    // The error may quote a value, and the value may be a password.
    T::deserialize(input)
        .map_err(|_| Exception::internal("The request fits the model and could not be read."))
}

/// An answer with a body.
fn reply(answer: &impl Serialize) -> Outcome {
    serde_json::to_vec(answer)
        .map(Reply::Json)
        .map_err(|_| Exception::internal("The answer could not be written."))
}

/// The end of an operation that has nothing to say.
fn done<T>(result: Result<T, Error>) -> Outcome {
    result?;
    Ok(Reply::Nothing)
}

fn client_id(id: &str) -> ClientId {
    ClientId::from(id)
}
