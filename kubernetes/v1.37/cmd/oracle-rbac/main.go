// oracle-rbac answers what Kubernetes' own RBAC code answers: a question a
// line in, an answer a line out. See kubernetes/README.md for the lines.
package main

import (
	"fmt"
	"os"

	"k8s.io/klog/v2"
)

func main() {
	if len(os.Args) > 1 {
		if os.Args[1] != "bootstrap" || len(os.Args) > 3 || len(os.Args) == 3 && os.Args[2] != "--raw" {
			fmt.Fprintln(os.Stderr, "usage: oracle-rbac < QUESTIONS | oracle-rbac bootstrap [--raw]")
			os.Exit(2)
		}
		if err := bootstrap(os.Stdout, len(os.Args) == 2); err != nil {
			fmt.Fprintln(os.Stderr, "oracle-rbac:", err)
			os.Exit(1)
		}
		return
	}
	// Kubernetes' own log, of how its two ways to validate differ. Discarding
	// klog's output alone leaves errors on stderr.
	klog.SetLogger(klog.Logger{})
	policies := map[string]*policy{}
	each := func(line []byte) any { return answer(policies, line) }
	if err := serve(os.Stdin, os.Stdout, each); err != nil {
		fmt.Fprintln(os.Stderr, "oracle-rbac:", err)
		os.Exit(1)
	}
}
