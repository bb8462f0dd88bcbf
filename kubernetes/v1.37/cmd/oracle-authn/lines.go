package main

import (
	"bufio"
	"encoding/json"
	"io"
)

// serve answers each line of in with a line of JSON on out until in ends. An
// answer waits for others as long as there is more to read.
func serve(in io.Reader, out io.Writer, answer func(line []byte) any) error {
	r := bufio.NewReaderSize(in, 1<<20)
	w := bufio.NewWriterSize(out, 1<<20)
	defer w.Flush()
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 1 {
			reply, jsonErr := json.Marshal(answer(line))
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
