package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/pquerna/cachecontrol/cacheobject"
	"github.com/spf13/pflag"

	"k8s.io/apiserver/pkg/apis/apiserver"
	apiservervalidation "k8s.io/apiserver/pkg/apis/apiserver/validation"
	kubeauthenticator "k8s.io/apiserver/pkg/authentication/authenticator"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	tokenunion "k8s.io/apiserver/pkg/authentication/token/union"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
	_ "k8s.io/kubernetes/pkg/features" // registers the feature gates
	"k8s.io/kubernetes/pkg/kubeapiserver/options"
)

// How the server decodes the file of --authentication-config; not exported.
//
//go:linkname loadAuthenticationConfigFromData k8s.io/kubernetes/pkg/kubeapiserver/options.loadAuthenticationConfigFromData
func loadAuthenticationConfigFromData(data []byte) (*apiserver.AuthenticationConfiguration, error)

type testCase struct {
	ID    json.RawMessage     `json:"id"`
	Now   string              `json:"now"`
	Token string              `json:"token"`
	Keys  json.RawMessage     `json:"keys"`
	Algs  []string            `json:"algs"`
	JWT   json.RawMessage     `json:"jwt"`
	Flags json.RawMessage     `json:"flags"`
	HTTP  map[string]response `json:"http"`
	// Others are authenticators that come before that of JWT.
	Others []other `json:"others"`

	// How long the keys of an issuer are fresh that come with these, instead of a
	// token.
	Headers [][2]string `json:"headers"`

	// Validation of a whole file instead of a token.
	Config            *string  `json:"config"`
	DisallowedIssuers []string `json:"disallowedIssuers"`
}

// other is one more entry of the file's list, and the keys of its issuer.
type other struct {
	JWT  json.RawMessage `json:"jwt"`
	Keys json.RawMessage `json:"keys"`
}

// response is what an issuer of distributed claims answers; with 401 to a request
// that has not the Authorization that it says, if it says so.
type response struct {
	Status        int     `json:"status"`
	ContentType   string  `json:"contentType"`
	Body          string  `json:"body"`
	Authorization *string `json:"authorization"`
}

type flags struct {
	IssuerURL      *string           `json:"issuerURL"`
	ClientID       *string           `json:"clientID"`
	UsernameClaim  *string           `json:"usernameClaim"`
	UsernamePrefix *string           `json:"usernamePrefix"`
	GroupsClaim    *string           `json:"groupsClaim"`
	GroupsPrefix   *string           `json:"groupsPrefix"`
	SigningAlgs    []string          `json:"signingAlgs"`
	RequiredClaims map[string]string `json:"requiredClaims"`
}

type verdict struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Result string          `json:"result"`
	Error  string          `json:"error,omitempty"`
	User   *userInfo       `json:"user,omitempty"`
	// After "fresh".
	Seconds *int64 `json:"seconds,omitempty"`
}

type userInfo struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

// authenticator is Kubernetes' authenticator with a clock of ours, or the union of
// several; err tells why there is none.
type authenticator struct {
	kubeauthenticator.Token
	now    time.Time
	cancel context.CancelFunc
	err    error
	// Whether it goes on trying to discover an issuer, and telling the log of it.
	waits bool
}

// answer waits for the discovery of another issuer, of a distributed claim, to
// succeed or fail for the first time; a server answers meanwhile.
func (a *authenticator) answer(token string) (*kubeauthenticator.Response, bool, error) {
	undiscovered.forget()
	for {
		response, ok, err := a.AuthenticateToken(context.Background(), token)
		if err == nil {
			return response, ok, nil
		}
		_, issuer, found := strings.Cut(err.Error(), "verifier not initialized for issuer: ")
		if !found {
			return response, ok, err
		}
		if undiscovered.has(issuer) {
			a.waits = true
			return response, ok, err
		}
		pause()
	}
}

// pause is between two looks at what goes on beside. Without it the looks would
// take more of the processor than what is waited for.
func pause() { time.Sleep(20 * time.Microsecond) }

type oracle struct {
	compiler       authenticationcel.Compiler
	authenticators map[[sha256.Size]byte]*authenticator
	// What flags come to; to find it out compiles all of CEL's library.
	flags map[string]fromFlags
}

// More authenticators than this are not kept, nor flags.
const keep = 4096

func newOracle() *oracle {
	readLog()
	return &oracle{
		compiler:       authenticationcel.NewDefaultCompiler(),
		authenticators: map[[sha256.Size]byte]*authenticator{},
		flags:          map[string]fromFlags{},
	}
}

func (o *oracle) answer(line []byte) (v verdict) {
	var c testCase
	if err := json.Unmarshal(line, &c); err != nil {
		return verdict{Result: "malformed", Error: err.Error()}
	}
	defer func() {
		if p := recover(); p != nil {
			v = verdict{ID: c.ID, Result: "panic", Error: fmt.Sprint(p)}
		}
	}()
	if c.Config != nil {
		if _, err := o.configuration([]byte(*c.Config), c.DisallowedIssuers); err != nil {
			return verdict{ID: c.ID, Result: "invalid-config", Error: err.Error()}
		}
		return verdict{ID: c.ID, Result: "valid-config"}
	}

	now := time.Now()
	if c.Now != "" {
		t, err := time.Parse(time.RFC3339Nano, c.Now)
		if err != nil {
			return verdict{ID: c.ID, Result: "malformed", Error: err.Error()}
		}
		now = t.UTC()
	}
	if c.Headers != nil {
		seconds := freshFor(c.Headers, now)
		return verdict{ID: c.ID, Result: "fresh", Seconds: &seconds}
	}
	if c.Others != nil && c.JWT == nil {
		return verdict{ID: c.ID, Result: "malformed", Error: `"others" come with "jwt"`}
	}
	if (c.JWT == nil) == (c.Flags == nil) {
		return verdict{ID: c.ID, Result: "malformed", Error: `one of "jwt" and "flags" is needed`}
	}
	key := c.key()
	a := o.authenticator(key, &c)
	if a.err != nil {
		return verdict{ID: c.ID, Result: "invalid-config", Error: a.err.Error()}
	}
	a.now = now
	response, ok, err := a.answer(c.Token)
	if a.waits {
		a.cancel()
		delete(o.authenticators, key)
	}
	if err != nil {
		return verdict{ID: c.ID, Result: "rejected", Error: err.Error()}
	}
	if !ok {
		return verdict{ID: c.ID, Result: "not-mine"}
	}
	u := &userInfo{
		Username: response.User.GetName(), UID: response.User.GetUID(),
		Groups: response.User.GetGroups(), Extra: response.User.GetExtra(),
	}
	if u.Groups == nil {
		u.Groups = []string{}
	}
	if u.Extra == nil {
		u.Extra = map[string][]string{}
	}
	return verdict{ID: c.ID, Result: "accepted", User: u}
}

// freshFor is for how many seconds go-oidc holds keys fresh that come with these
// headers at a time (RemoteKeySet.updateKeys), by the package that it asks.
func freshFor(headers [][2]string, now time.Time) int64 {
	header := http.Header{}
	for _, pair := range headers {
		header.Add(pair[0], pair[1])
	}
	request := &http.Request{Method: http.MethodGet}
	_, _, _, object, err := cacheobject.UsingRequestResponseWithObject(request, http.StatusOK, header, false)
	if err != nil {
		return 0
	}
	object.NowUTC = now
	var results cacheobject.ObjectResults
	cacheobject.ExpirationObject(object, &results)
	if !results.OutExpirationTime.After(now) {
		return 0
	}
	return int64(results.OutExpirationTime.Sub(now) / time.Second)
}

// configuration decodes and validates a configuration as the server does that
// starts.
func (o *oracle) configuration(data []byte, disallowedIssuers []string) (*apiserver.AuthenticationConfiguration, error) {
	config, err := loadAuthenticationConfigFromData(data)
	if err != nil {
		return nil, err
	}
	if err := apiservervalidation.ValidateAuthenticationConfiguration(o.compiler, config, disallowedIssuers).ToAggregate(); err != nil {
		return nil, fmt.Errorf("invalid authentication configuration: %w", err)
	}
	return config, nil
}

// fromFlags is what --oidc-* flags come to: a configuration with its algorithms,
// or an error.
type fromFlags struct {
	config *apiserver.AuthenticationConfiguration
	algs   []string
	err    error
}

func (o *oracle) fromFlags(data json.RawMessage) (*apiserver.AuthenticationConfiguration, []string, error) {
	found, ok := o.flags[string(data)]
	if !ok {
		if len(o.flags) >= keep {
			clear(o.flags)
		}
		found.config, found.algs, found.err = readFlags(data)
		o.flags[string(data)] = found
	}
	return found.config, found.algs, found.err
}

// readFlags is the server's own way from its --oidc-* flags.
func readFlags(data json.RawMessage) (*apiserver.AuthenticationConfiguration, []string, error) {
	var f flags
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, nil, err
	}
	o := options.NewBuiltInAuthenticationOptions().WithOIDC()
	set := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	o.AddFlags(set)
	var args []string
	for name, value := range map[string]*string{
		"oidc-issuer-url": f.IssuerURL, "oidc-client-id": f.ClientID,
		"oidc-username-claim": f.UsernameClaim, "oidc-username-prefix": f.UsernamePrefix,
		"oidc-groups-claim": f.GroupsClaim, "oidc-groups-prefix": f.GroupsPrefix,
	} {
		if value != nil {
			args = append(args, "--"+name+"="+*value)
		}
	}
	if len(f.SigningAlgs) > 0 {
		args = append(args, "--oidc-signing-algs="+strings.Join(f.SigningAlgs, ","))
	}
	if err := set.Parse(args); err != nil {
		return nil, nil, err
	}
	if len(f.RequiredClaims) > 0 {
		o.OIDC.RequiredClaims = f.RequiredClaims
	}
	if errs := o.Validate(); len(errs) > 0 {
		return nil, nil, errors.Join(errs...)
	}
	config, err := o.ToAuthenticationConfig()
	if err != nil {
		return nil, nil, err
	}
	if len(config.AuthenticationConfig.JWT) == 0 {
		return nil, nil, errors.New("the flags configure no authenticator")
	}
	return config.AuthenticationConfig, config.OIDCSigningAlgs, nil
}

// key is that of the authenticator that the case needs.
func (c *testCase) key() [sha256.Size]byte {
	h := sha256.New()
	extra, _ := json.Marshal([]any{c.Algs, c.HTTP, c.Others})
	for _, part := range [][]byte{c.JWT, c.Flags, c.Keys, extra} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (o *oracle) authenticator(key [sha256.Size]byte, c *testCase) *authenticator {
	if a, ok := o.authenticators[key]; ok {
		return a
	}
	if len(o.authenticators) >= keep {
		for _, a := range o.authenticators {
			if a.cancel != nil {
				a.cancel()
			}
		}
		clear(o.authenticators)
	}
	a := o.newAuthenticator(c)
	o.authenticators[key] = a
	return a
}

func (o *oracle) newAuthenticator(c *testCase) *authenticator {
	var config *apiserver.AuthenticationConfiguration
	var err error
	algs := oidc.AllValidSigningAlgorithms()
	var entries []string
	var keys []json.RawMessage
	for _, one := range append(slices.Clone(c.Others), other{c.JWT, c.Keys}) {
		entries = append(entries, string(one.JWT))
		keys = append(keys, one.Keys)
	}
	if c.Flags != nil {
		config, algs, err = o.fromFlags(c.Flags)
	} else {
		config, err = o.configuration([]byte(`{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration","jwt":[`+strings.Join(entries, ",")+`]}`), nil)
	}
	if err != nil {
		return &authenticator{err: err}
	}
	if c.Algs != nil {
		algs = c.Algs
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &authenticator{cancel: cancel}
	var each []kubeauthenticator.Token
	for i, jwt := range config.JWT {
		one, err := o.newJWT(ctx, a, jwt, algs, keys[i], c.HTTP)
		if err != nil {
			cancel()
			return &authenticator{err: err}
		}
		each = append(each, one)
	}
	// As the server does, with one as with many.
	a.Token = tokenunion.NewFailOnError(each...)
	return a
}

// newJWT is the authenticator of one entry, whose discovery has come to an end.
func (o *oracle) newJWT(ctx context.Context, a *authenticator, jwt apiserver.JWTAuthenticator, algs []string, keys json.RawMessage, others map[string]response) (kubeauthenticator.Token, error) {
	transport, err := newIssuer(jwt.Issuer, keys, others)
	if err != nil {
		return nil, err
	}
	opts := oidc.Options{
		JWTAuthenticator:     jwt,
		Client:               &http.Client{Transport: transport},
		Compiler:             o.compiler,
		SupportedSigningAlgs: algs,
	}
	// The field is not exported.
	now := reflect.ValueOf(&opts).Elem().FieldByName("now")
	*(*func() time.Time)(unsafe.Pointer(now.UnsafeAddr())) = func() time.Time { return a.now }

	one, err := oidc.New(ctx, opts)
	if err != nil {
		return nil, err
	}
	// Discovery runs beside; the health check tells its end.
	for {
		err := one.HealthCheck()
		if err == nil || !strings.HasSuffix(err.Error(), " is not initialized") {
			return one, nil
		}
		pause()
	}
}

const jwksURL = "https://jwks.oracle.invalid/keys"

// issuer serves, in the process, the discovery document and the keys.
type issuer struct {
	discoveryURL string
	discovery    []byte
	keys         []byte
	others       map[string]response
}

func newIssuer(i apiserver.Issuer, served json.RawMessage, others map[string]response) (*issuer, error) {
	at := i.DiscoveryURL
	if at == "" {
		at = strings.TrimSuffix(i.URL, "/") + "/.well-known/openid-configuration"
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	document, err := json.Marshal(map[string]string{"issuer": i.URL, "jwks_uri": jwksURL})
	if err != nil {
		return nil, err
	}
	keys := []byte(served)
	var text string
	if json.Unmarshal(keys, &text) == nil && keys[0] == '"' {
		keys = []byte(text) // the body word for word
	}
	return &issuer{u.String(), document, keys, others}, nil
}

func (i *issuer) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := response{Status: http.StatusOK, ContentType: "application/json"}
	switch at := req.URL.String(); at {
	case jwksURL:
		answer.Body = string(i.keys)
	case i.discoveryURL:
		answer.Body = string(i.discovery)
	default:
		other, ok := i.others[at]
		if !ok {
			return nil, fmt.Errorf("dial tcp: lookup %s: no such host", req.URL.Hostname())
		}
		if other.Status != 0 {
			answer.Status = other.Status
		}
		if other.ContentType != "" {
			answer.ContentType = other.ContentType
		}
		answer.Body = other.Body
		if other.Authorization != nil && *other.Authorization != req.Header.Get("Authorization") {
			answer.Status = http.StatusUnauthorized
		}
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)),
		StatusCode: answer.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {answer.ContentType}},
		Body:          io.NopCloser(strings.NewReader(answer.Body)),
		ContentLength: int64(len(answer.Body)),
		Request:       req,
	}, nil
}
