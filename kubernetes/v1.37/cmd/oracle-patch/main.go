package main

import (
	_ "gopkg.in/evanphx/json-patch.v4"
	_ "k8s.io/api/apps/v1"
	_ "k8s.io/apimachinery/pkg/util/strategicpatch"
)

func main() {}
