package agent

import (
	"embed"
	"regexp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mask"
)

//go:embed prompts/*.md
var promptFiles embed.FS

// promptVersion is the first line of a prompt: <!-- briefing, version 1 -->.
var promptVersion = regexp.MustCompile(`^<!-- ([a-z_]+), version (\d+) -->\n`)

// Prompt is a built-in prompt. The rules that hold for every agent come first.
type Prompt struct {
	System  []mask.Text
	Version string // of the rules and the prompt: 1.3
}

// PromptOf reads the prompt of an agent, or of the chat.
func PromptOf(name Name) (Prompt, error) {
	var p Prompt
	for _, file := range []Name{"rules", name} {
		text, err := mask.Prompt(promptFiles, "prompts/"+string(file)+".md")
		if err != nil {
			return Prompt{}, err
		}
		m := promptVersion.FindStringSubmatch(text.String())
		if m == nil || m[1] != string(file) {
			return Prompt{}, errs.New(errs.Internal, "prompt_version", "A built-in prompt has no version.", "Install MetaLens again.")
		}
		if p.Version != "" {
			p.Version += "."
		}
		p.Version += m[2]
		p.System = append(p.System, text)
	}
	return p, nil
}
