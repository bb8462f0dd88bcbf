package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	jose "gopkg.in/go-jose/go-jose.v2"
)

var (
	now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

	rsaKey, _ = rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _  = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
)

const plain = `{"issuer":{"url":"https://issuer.example","audiences":["client"]},"claimMappings":{"username":{"claim":"sub","prefix":""},"groups":{"claim":"groups","prefix":"g:"}}}`

func sign(alg jose.SignatureAlgorithm, key any, kid string, claims string) string {
	options := (&jose.SignerOptions{}).WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign([]byte(claims))
	if err != nil {
		panic(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

func claims(exp time.Time, more string) string {
	return fmt.Sprintf(`{"iss":"https://issuer.example","aud":"client","sub":"jane","exp":%d%s}`, exp.Unix(), more)
}

func keys() string {
	data, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: rsaKey.Public(), KeyID: "r"}, {Key: ecKey.Public(), KeyID: "e"},
	}})
	return string(data)
}

func line(token, keys, config string) []byte {
	return []byte(fmt.Sprintf(`{"id":"1","now":%q,"token":%q,"keys":%s,%s}`, now.Format(time.RFC3339Nano), token, keys, config))
}

func TestAnswer(t *testing.T) {
	o := newOracle()
	later := now.Add(time.Hour)
	good := sign(jose.RS256, rsaKey, "r", claims(later, `,"groups":["a"],"jti":"J"`))
	jwt := `"jwt":` + plain
	for _, c := range []struct {
		name, token, keys, config string
		want                      verdict
	}{
		{"accepted", good, keys(), jwt, verdict{Result: "accepted", User: &userInfo{
			Username: "jane", Groups: []string{"g:a"},
			Extra: map[string][]string{"authentication.kubernetes.io/credential-id": {"JTI=J"}}}}},
		{"elliptic", sign(jose.ES256, ecKey, "e", claims(later, "")), keys(), jwt,
			verdict{Result: "accepted", User: &userInfo{Username: "jane", Groups: []string{}, Extra: map[string][]string{}}}},
		{"wrong kid", sign(jose.RS256, rsaKey, "e", claims(later, "")), keys(), jwt,
			verdict{Result: "rejected", Error: "oidc: verify token: failed to verify signature: failed to verify id token signature"}},
		{"expired", sign(jose.RS256, rsaKey, "r", claims(now.Add(-time.Hour), "")), keys(), jwt,
			verdict{Result: "rejected", Error: "oidc: verify token: oidc: token is expired (Token Expiry: 2030-01-02 02:04:05 +0000 UTC)"}},
		{"not yet", sign(jose.RS256, rsaKey, "r", claims(later, fmt.Sprintf(`,"nbf":%d`, later.Unix()))), keys(), jwt,
			verdict{Result: "rejected", Error: "oidc: verify token: oidc: current time 2030-01-02 03:04:05 +0000 UTC before the nbf (not before) time: 2030-01-02 04:04:05 +0000 UTC"}},
		{"not mine", "x.y.z", keys(), jwt, verdict{Result: "not-mine"}},
		{"flags", good, keys(), `"flags":{"issuerURL":"https://issuer.example","clientID":"client","groupsClaim":"groups","requiredClaims":{"sub":"jane"}}`,
			verdict{Result: "accepted", User: &userInfo{Username: "https://issuer.example#jane", Groups: []string{"a"},
				Extra: map[string][]string{"authentication.kubernetes.io/credential-id": {"JTI=J"}}}}},
		{"algorithms of flags", sign(jose.ES256, ecKey, "e", claims(later, "")), keys(), `"flags":{"issuerURL":"https://issuer.example","clientID":"client"}`,
			verdict{Result: "rejected", Error: `oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "ES256"`}},
		{"half the flags", good, keys(), `"flags":{"issuerURL":"https://issuer.example"}`,
			verdict{Result: "invalid-config", Error: "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"}},
		{"of another", good, keys(), `"others":[{"jwt":` + plain + `,"keys":` + keys() + `}],"jwt":` + strings.Replace(plain, "issuer.example", "other.example", 1),
			verdict{Result: "accepted", User: &userInfo{
				Username: "jane", Groups: []string{"g:a"},
				Extra: map[string][]string{"authentication.kubernetes.io/credential-id": {"JTI=J"}}}}},
		{"another's keys", good, keys(), `"others":[{"jwt":` + plain + `,"keys":{"keys":[]}}],"jwt":` + strings.Replace(plain, "issuer.example", "other.example", 1),
			verdict{Result: "rejected", Error: "oidc: verify token: failed to verify signature: failed to verify id token signature"}},
		{"issuer twice", good, keys(), `"others":[{"jwt":` + plain + `,"keys":{"keys":[]}}],"jwt":` + plain,
			verdict{Result: "invalid-config", Error: `invalid authentication configuration: jwt[1].issuer.url: Duplicate value: "https://issuer.example"`}},
		{"http", good, keys(), `"jwt":` + strings.Replace(plain, "https:", "http:", 1),
			verdict{Result: "invalid-config", Error: `invalid authentication configuration: jwt[0].issuer.url: Invalid value: "http://issuer.example": URL scheme must be https`}},
	} {
		c.want.ID = json.RawMessage(`"1"`)
		if got := o.answer(line(c.token, c.keys, c.config)); !reflect.DeepEqual(got, c.want) {
			g, _ := json.Marshal(got)
			w, _ := json.Marshal(c.want)
			t.Errorf("%s:\n got %s\nwant %s", c.name, g, w)
		}
	}
	odd := `{"keys":[{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"},{"kty":"odd"}]}`
	t.Log(o.answer(line(good, odd, jwt)))
	t.Log(o.answer(line(good, `"no json"`, jwt)))
}

// Another issuer's discovery is waited for, and fails where it is not served.
func TestFetchedClaim(t *testing.T) {
	o := newOracle()
	later := now.Add(time.Hour)
	refers := sign(jose.RS256, rsaKey, "r", claims(later, `,"_claim_names":{"groups":"s"},"_claim_sources":{"s":{"endpoint":"https://claims.example/g","access_token":"t"}}`))
	groups := sign(jose.ES256, ecKey, "e", strings.Replace(claims(later, `,"groups":["a"]`), "issuer.example", "claims.example", 1))
	answer := func(body string, authorization string, more string) verdict {
		config := fmt.Sprintf(`"jwt":%s,"http":{"https://claims.example/g":{"body":%q,"authorization":%q}%s}`, plain, body, authorization, more)
		v := o.answer(line(refers, keys(), config))
		v.ID = nil
		return v
	}
	document := `,"https://claims.example/.well-known/openid-configuration":{"body":"{\"issuer\":\"https://claims.example\",\"jwks_uri\":\"https://jwks.oracle.invalid/keys\"}"}`
	const prefix = "oidc: could not expand distributed claims: "
	for _, c := range []struct {
		name string
		got  verdict
		want verdict
	}{
		{"fetched", answer(groups, "Bearer t", document), verdict{Result: "accepted", User: &userInfo{Username: "jane", Groups: []string{"g:a"}, Extra: map[string][]string{}}}},
		{"another token is wanted", answer(groups, "Bearer u", document), verdict{Result: "rejected", Error: prefix + `while getting distributed claim "groups": error while getting distributed claim JWT: 401 Unauthorized`}},
		{"not discovered", answer(groups, "Bearer t", ""), verdict{Result: "rejected", Error: prefix + `verifying untrusted issuer https://claims.example failed: verifier not initialized for issuer: "https://claims.example"`}},
		{"not discovered, again", answer(groups, "Bearer t", ""), verdict{Result: "rejected", Error: prefix + `verifying untrusted issuer https://claims.example failed: verifier not initialized for issuer: "https://claims.example"`}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			g, _ := json.Marshal(c.got)
			w, _ := json.Marshal(c.want)
			t.Errorf("%s:\n got %s\nwant %s", c.name, g, w)
		}
	}
}

func BenchmarkAccepted(b *testing.B) {
	o := newOracle()
	l := line(sign(jose.RS256, rsaKey, "r", claims(now.Add(time.Hour), "")), keys(), `"jwt":`+plain)
	for b.Loop() {
		o.answer(l)
	}
}

func BenchmarkNewKeysEachTime(b *testing.B) {
	o := newOracle()
	token := sign(jose.RS256, rsaKey, "r", claims(now.Add(time.Hour), ""))
	for i := 0; b.Loop(); i++ {
		o.answer(line(token, strings.Replace(keys(), `{"keys"`, fmt.Sprintf(`{"i":%d,"keys"`, i), 1), `"jwt":`+plain))
	}
}

func BenchmarkExpressions(b *testing.B) {
	o := newOracle()
	token := sign(jose.RS256, rsaKey, "r", claims(now.Add(time.Hour), ""))
	for i := 0; b.Loop(); i++ {
		config := fmt.Sprintf(`"jwt":{"issuer":{"url":"https://issuer.example","audiences":["client"]},"claimMappings":{"username":{"expression":"claims.sub + '%d'"}}}`, i)
		o.answer(line(token, keys(), config))
	}
}
