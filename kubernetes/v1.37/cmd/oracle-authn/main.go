package main

import (
	_ "github.com/coreos/go-oidc"
	_ "k8s.io/apiserver/pkg/apis/apiserver/install"
	_ "k8s.io/apiserver/pkg/apis/apiserver/validation"
	_ "k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
	_ "k8s.io/kubernetes/pkg/kubeapiserver/options"
)

func main() {}
