// oracle-authn answers what Kubernetes' own OIDC token authenticator answers:
// a case a line in, a verdict a line out. See kubernetes/README.md for the
// lines.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
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
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oracle-authn:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 1<<20)
	w := bufio.NewWriterSize(out, 1<<20)
	defer w.Flush()
	o := newOracle()
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 1 {
			reply, jsonErr := json.Marshal(o.answer(line))
			if jsonErr != nil {
				return jsonErr
			}
			w.Write(reply)
			w.WriteByte('\n')
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}
