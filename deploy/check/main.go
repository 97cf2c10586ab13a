// Command check reads files of deploy/ with the libraries of the tools that use them.
//
//	go run . compose FILE       as `docker compose config`: prints the project as JSON
//	go run . dockerfile FILE    as `docker build --check`: prints a line for each finding
//
// Neither needs a Docker engine or a registry.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	digest "github.com/opencontainers/go-digest"
)

func main() {
	checks := map[string]func(string) error{"compose": printProject, "dockerfile": lint}
	if len(os.Args) != 3 || checks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: check compose|dockerfile FILE")
		os.Exit(2)
	}
	if err := checks[os.Args[1]](os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// printProject loads a compose file with all its profiles and prints what Docker would run.
func printProject(path string) error {
	options, err := cli.NewProjectOptions(
		[]string{path}, cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv, cli.WithProfiles([]string{"*"}),
	)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}

// unresolved knows no registry: every base image is taken as one of Linux on this platform.
type unresolved struct{}

func (unresolved) ResolveImageConfig(
	_ context.Context, ref string, _ sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers"}}`), nil
}

// lint parses a Dockerfile, runs all rules of BuildKit, also the experimental ones, and builds its stages.
func lint(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	source := llb.NewSourceMap(nil, path, "Dockerfile", text)
	source.Definition = &llb.Definition{}
	options := dockerfile2llb.ConvertOpt{MetaResolver: unresolved{}, SourceMap: source}
	options.LinterConfig = &linter.Config{ExperimentalAll: true}
	found, err := dockerfile2llb.DockerfileLint(context.Background(), text, options)
	if err != nil {
		return err
	}
	for _, each := range found.Warnings {
		line := 0
		if ranges := each.Location.GetRanges(); len(ranges) > 0 {
			line = int(ranges[0].Start.Line)
		}
		fmt.Printf("%s:%d: %s: %s\n", path, line, each.RuleName, each.Detail)
	}
	if found.Error != nil {
		return errors.New(found.Error.Message)
	}
	if len(found.Warnings) > 0 {
		return fmt.Errorf("%d findings", len(found.Warnings))
	}
	return nil
}
