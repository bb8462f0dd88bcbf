package main

import (
	"encoding/json"
	"testing"
)

func TestAnswer(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"id":1,"kind":"apps/v1/Deployment","type":"strategic","original":{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"y"}]}}}},"patch":{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"z"},{"$patch":"delete","name":"b"}]}}}}}`,
			`{"id":1,"result":{"spec":{"template":{"spec":{"containers":[{"image":"z","name":"a"}]}}}}}`},
		{`{"id":2,"kind":"v1/Pod","type":"merge","original":{"a":1,"b":2},"patch":{"a":null,"c":[3]}}`, `{"id":2,"result":{"b":2,"c":[3]}}`},
		{`{"id":3,"kind":"v1/Pod","type":"json","original":{"a":1},"patch":[{"op":"test","path":"/a","value":2}]}`,
			`{"id":3,"error":"the server rejected our request due to an error in our request","code":422,"cause":"testing value /a failed: test failed"}`},
	} {
		data, _ := json.Marshal(answer([]byte(c.line)))
		if string(data) != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.line, data, c.want)
		}
	}
}

func BenchmarkStrategic(b *testing.B) {
	line := []byte(`{"id":1,"kind":"apps/v1/Deployment","type":"strategic","original":{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"y"}]}}}},"patch":{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"z"}]}}}}}`)
	for b.Loop() {
		answer(line)
	}
}
