package process_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sluice-ci/sluice/internal/process"
)

// BenchmarkForkExec is what nothing can beat: the shell, and no more.
func BenchmarkForkExec(b *testing.B) {
	env := process.Environment(os.Environ(), nil)
	for b.Loop() {
		pid, err := syscall.ForkExec("/bin/sh", []string{"/bin/sh", "-c", "true"}, &syscall.ProcAttr{Env: env})
		if err != nil {
			b.Fatal(err)
		}
		syscall.Wait4(pid, nil, 0, nil)
	}
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		c := process.Command{Args: []string{"/bin/sh", "-c", "true"}, Env: process.Environment(os.Environ(), nil), Mark: "bench:1", Output: io.Discard}
		p, err := process.Start(context.Background(), c)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkShell(b *testing.B, commands int, each func(*process.Shell)) {
	dir := b.TempDir()
	env := process.Environment(os.Environ(), nil)
	for b.Loop() {
		file := filepath.Join(dir, "log")
		log, err := process.CreateLog(file, process.LogOptions{})
		if err != nil {
			b.Fatal(err)
		}
		s := process.Shell{Dir: dir, Env: env, Mark: "bench:2", Log: log, Scratch: dir}
		for range commands - 1 {
			s.Printf("Running command true")
			if status, err := s.Run(b.Context(), "true"); status != 0 || err != nil {
				b.Fatal(status, err)
			}
		}
		s.Printf("Running command true")
		each(&s)
		s.Close()
		log.Close()
		os.Remove(file)
	}
}

// BenchmarkShellOne is one command with its log on disk.
func BenchmarkShellOne(b *testing.B) {
	benchmarkShell(b, 1, func(s *process.Shell) { s.RunLast(b.Context(), "true") })
}

// BenchmarkShellTalk is the same through the conversation with the shell.
func BenchmarkShellTalk(b *testing.B) {
	benchmarkShell(b, 1, func(s *process.Shell) { s.Run(b.Context(), "true") })
}

func BenchmarkShellTen(b *testing.B) {
	benchmarkShell(b, 10, func(s *process.Shell) { s.RunLast(b.Context(), "true") })
}

// BenchmarkFlood is 100 MB of output, with and without secrets.
func BenchmarkFlood(b *testing.B) {
	for name, secrets := range map[string][]string{"plain": nil, "masked": {"hunter22hunter", "correct horse battery staple"}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(100 << 20)
			for b.Loop() {
				log, err := process.CreateLog(filepath.Join(b.TempDir(), "log"), process.LogOptions{Masker: process.NewMasker(secrets)})
				if err != nil {
					b.Fatal(err)
				}
				c := process.Command{Args: []string{"/bin/sh", "-c", "yes 'the quick brown fox jumps over it' | head -c 104857600"}, Mark: "bench:3", Output: log}
				p, err := process.Start(b.Context(), c)
				if err != nil {
					b.Fatal(err)
				}
				p.Wait()
				log.Close()
			}
		})
	}
}

// BenchmarkSweep is the price of looking at every process of this machine.
func BenchmarkSweep(b *testing.B) {
	for b.Loop() {
		process.Sweep("nobody:")
	}
}
