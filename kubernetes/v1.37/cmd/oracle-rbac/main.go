// oracle-rbac answers what Kubernetes' own RBAC code answers: a question a
// line in, an answer a line out. See kubernetes/README.md for the lines.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
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
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oracle-rbac:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 1<<20)
	w := bufio.NewWriterSize(out, 1<<20)
	defer w.Flush()
	policies := map[string]*policy{}
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 1 {
			reply, jsonErr := json.Marshal(answer(policies, line))
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
