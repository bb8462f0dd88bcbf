package main

import (
	_ "k8s.io/api/apps/v1"
)

func main() {}
