// oracle-authn answers what Kubernetes' own OIDC token authenticator answers:
// a case a line in, a verdict a line out. See kubernetes/README.md for the
// lines.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: oracle-authn < CASES")
		os.Exit(2)
	}
	time.Local = time.UTC // error messages print local times
	debug.SetGCPercent(400)
	o := newOracle()
	each := func(line []byte) any { return o.answer(line) }
	if err := serve(os.Stdin, os.Stdout, each); err != nil {
		fmt.Fprintln(os.Stderr, "oracle-authn:", err)
		os.Exit(1)
	}
}

// log is where Kubernetes' own log goes, of which one line is read: that the
// discovery of a distributed claim's issuer has failed.
type log struct {
	mutex   sync.Mutex
	issuers map[string]bool
}

// The issuers, quoted, whose discovery has failed.
var undiscovered = &log{issuers: map[string]bool{}}

func readLog() {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "stderrthreshold": "FATAL"} {
		if err := flags.Set(name, value); err != nil {
			panic(err)
		}
	}
	klog.SetOutput(undiscovered)
}

func (l *log) Write(line []byte) (int, error) {
	if _, rest, found := strings.Cut(string(line), "async token verifier for issuer: "); found {
		if issuer, err := strconv.QuotedPrefix(rest); err == nil {
			l.mutex.Lock()
			defer l.mutex.Unlock()
			l.issuers[issuer] = true
		}
	}
	return len(line), nil
}

func (l *log) forget() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.issuers = map[string]bool{}
}

func (l *log) has(issuer string) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.issuers[issuer]
}
