package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const objects = `[
 {"kind":"ClusterRole","metadata":{"name":"view-pods","labels":{"to":"all"}},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods","pods/log"]}]},
 {"kind":"ClusterRole","metadata":{"name":"all"},"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"to":"all"}}]},"rules":[]},
 {"kind":"ClusterRoleBinding","metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"all"},"subjects":[{"kind":"User","name":"jane"}]},
 {"kind":"ClusterRoleBinding","metadata":{"name":"c"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"gone"},"subjects":[{"kind":"Group","name":"lost"}]},
 {"kind":"RoleBinding","metadata":{"name":"rb","namespace":"ns"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view-pods"},"subjects":[{"kind":"ServiceAccount","name":"sa","namespace":"ns"}]}
]`

func TestAnswer(t *testing.T) {
	policies := map[string]*policy{}
	flat := strings.ReplaceAll(objects, "\n", "")
	for _, c := range []struct{ line, want string }{
		{`{"policy":"p","objects":` + flat + `}`, `{"ok":true,"policy":"p"}`},
		{`{"policy":"a","aggregate":true,"objects":` + flat + `}`, `{"ok":true,"policy":"a"}`},
		{`{"id":1,"policy":"p","user":{"name":"jane"},"verb":"get","resource":"pods"}`, `{"allowed":false,"error":"","id":1,"reason":""}`},
		{`{"id":2,"policy":"a","user":{"name":"jane"},"verb":"get","resource":"pods"}`,
			`{"allowed":true,"error":"","id":2,"reason":"RBAC: allowed by ClusterRoleBinding \"b\" of ClusterRole \"all\" to User \"jane\""}`},
		{`{"id":3,"policy":"p","user":{"name":"x","groups":["lost"]},"verb":"get","path":"/healthz"}`,
			`{"allowed":false,"error":"","id":3,"reason":"RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found"}`},
		{`{"id":4,"policy":"p","user":{"name":"system:serviceaccount:ns:sa"},"verb":"get","resource":"pods","subresource":"log","namespace":"ns"}`,
			`{"allowed":true,"error":"","id":4,"reason":"RBAC: allowed by RoleBinding \"rb/ns\" of ClusterRole \"view-pods\" to ServiceAccount \"sa/ns\""}`},
		{`{"id":5,"covers":{"owner":[{"verbs":["*"],"apiGroups":[""],"resources":["pods"]}],"requested":[{"verbs":["get"],"apiGroups":[""],"resources":["pods","nodes"]}]}}`,
			`{"covered":false,"id":5,"missing":[{"verbs":["get"],"apiGroups":[""],"resources":["nodes"]}]}`},
		{`{"id":6,"policy":"a","rulesFor":{"user":{"name":"jane"},"namespace":"ns"}}`,
			`{"error":"","id":6,"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods","pods/log"]}]}`},
		{`{"id":7,"policy":"p","escalate":{"user":{"name":"x","groups":["lost"]},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["nodes"]}]}}`,
			`{"error":"user \"x\" (groups=[\"lost\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}; resolution errors: [clusterroles.rbac.authorization.k8s.io \"gone\" not found]","id":7}`},
		{`{"id":8,"validate":{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r","namespace":"ns"},"rules":[{"verbs":[],"resources":["pods"],"apiGroups":[""]}]}}`,
			`{"errors":["rules[0].verbs: Required value"],"id":8}`},
		{`{"id":9,"validate":{"kind":"RoleBinding","metadata":{"name":"r","namespace":"ns"},"roleRef":{"kind":"Role","name":"r"}}}`, `{"errors":[],"id":9}`},
	} {
		data, _ := json.Marshal(answer(policies, []byte(c.line)))
		if string(data) != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.line, data, c.want)
		}
	}
	for _, l := range []string{
		`{"id":10,"validate":{"kind":"ClusterRole","metadata":{"name":"a/b"},"rules":[{"verbs":["get"],"nonResourceURLs":["/x"],"resources":["pods"]}]}}`,
		`{"id":11,"validate":{"kind":"ClusterRoleBinding","metadata":{},"roleRef":{"kind":"Role","name":""},"subjects":[{"kind":"ServiceAccount","name":"x"},{"kind":"Foo","name":""}]}}`,
		`{"id":12,"validate":{"kind":"RoleBinding","metadata":{"name":"r","namespace":"ns","resourceVersion":"1"},"roleRef":{"kind":"Role","name":"s"}},"old":{"kind":"RoleBinding","metadata":{"name":"r","namespace":"ns","resourceVersion":"1"},"roleRef":{"kind":"Role","name":"r"}}}`,
	} {
		data, _ := json.Marshal(answer(policies, []byte(l)))
		t.Logf("%s", data)
	}
}

func BenchmarkAuthorize(b *testing.B) {
	out := new(bytes.Buffer)
	if err := bootstrap(out, true); err != nil {
		b.Fatal(err)
	}
	var list struct{ Items json.RawMessage }
	json.Unmarshal(out.Bytes(), &list)
	policies := map[string]*policy{}
	answer(policies, []byte(fmt.Sprintf(`{"policy":"p","objects":%s}`, list.Items)))
	for b.Loop() {
		answer(policies, []byte(`{"id":4,"policy":"p","user":{"name":"x","groups":["system:authenticated"]},"verb":"get","resource":"pods","namespace":"ns"}`))
	}
}
