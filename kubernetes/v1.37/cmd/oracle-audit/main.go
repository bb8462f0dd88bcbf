// oracle-audit answers what kube-apiserver makes of an audit policy: a case a
// line in, the verdict a line out. See kubernetes/README.md for the lines.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

type testCase struct {
	ID       json.RawMessage `json:"id"`
	Policy   string          `json:"policy"`
	Requests []request       `json:"requests"`
}

// request is what a rule looks at.
type request struct {
	User        *string  `json:"user"`
	Groups      []string `json:"groups"`
	Verb        string   `json:"verb"`
	Namespace   string   `json:"namespace"`
	APIGroup    string   `json:"apiGroup"`
	Resource    string   `json:"resource"`
	Subresource string   `json:"subresource"`
	Name        string   `json:"name"`
	// Of what is no resource.
	Path string `json:"path"`
}

type verdict struct {
	ID      json.RawMessage `json:"id,omitempty"`
	Error   string          `json:"error,omitempty"`
	Answers []answer        `json:"answers,omitempty"`
}

type answer struct {
	Level             string   `json:"level"`
	OmitStages        []string `json:"omitStages"`
	OmitManagedFields bool     `json:"omitManagedFields"`
}

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: oracle-audit < CASES")
		os.Exit(2)
	}
	if err := serve(os.Stdin, os.Stdout, func(line []byte) any { return judge(line) }); err != nil {
		fmt.Fprintln(os.Stderr, "oracle-audit:", err)
		os.Exit(1)
	}
}

func judge(line []byte) verdict {
	var c testCase
	if err := json.Unmarshal(line, &c); err != nil {
		return verdict{Error: "no case: " + err.Error()}
	}
	loaded, err := policy.LoadPolicyFromBytes([]byte(c.Policy))
	if err != nil {
		return verdict{ID: c.ID, Error: err.Error()}
	}
	evaluator := policy.NewPolicyRuleEvaluator(loaded)
	v := verdict{ID: c.ID}
	for _, r := range c.Requests {
		config := evaluator.EvaluatePolicyRule(r.attributes())
		stages := policy.ConvertStagesToStrings(config.OmitStages)
		sort.Strings(stages)
		v.Answers = append(v.Answers, answer{string(config.Level), stages, config.OmitManagedFields})
	}
	return v
}

func (r request) attributes() authorizer.Attributes {
	record := authorizer.AttributesRecord{
		Verb:            r.Verb,
		Namespace:       r.Namespace,
		APIGroup:        r.APIGroup,
		Resource:        r.Resource,
		Subresource:     r.Subresource,
		Name:            r.Name,
		ResourceRequest: r.Path == "",
		Path:            r.Path,
	}
	if r.User != nil {
		record.User = &user.DefaultInfo{Name: *r.User, Groups: r.Groups}
	}
	return record
}
