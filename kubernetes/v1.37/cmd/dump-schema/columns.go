package main

import (
	"fmt"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	// The printers' package brings the other groups itself.
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/flowcontrol/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/storagemigration/install"
	printersinternal "k8s.io/kubernetes/pkg/printers/internalversion"
)

// columns are those in which the server prints each kind, by GROUP/KIND, and
// under "" those of kinds without a printer of their own.
type columns map[string][]metav1.TableColumnDefinition

// TableHandler makes columns a printers.PrintHandler.
func (c columns) TableHandler(definitions []metav1.TableColumnDefinition, printFunc any) error {
	object, ok := reflect.New(reflect.TypeOf(printFunc).In(0).Elem()).Interface().(runtime.Object)
	if !ok {
		return fmt.Errorf("%T prints no object", printFunc)
	}
	kinds, _, err := legacyscheme.Scheme.ObjectKinds(object)
	if err != nil {
		return err
	}
	// Some are of two groups.
	for _, kind := range kinds {
		c[kind.Group+"/"+kind.Kind] = definitions
	}
	return nil
}

func printed() columns {
	c := columns{}
	printersinternal.AddHandlers(c)
	for key := range c {
		// A list has the columns of what is in it.
		if _, ok := c[key+"List"]; ok {
			delete(c, key+"List")
		}
	}
	// k8s.io/apiserver/pkg/registry/rest/table.go
	described := metav1.ObjectMeta{}.SwaggerDoc()
	c[""] = []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name", Description: described["name"]},
		{Name: "Created At", Type: "date", Description: described["creationTimestamp"]},
	}
	return c
}
