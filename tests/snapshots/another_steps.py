"""A snapshot whose kernel's image nobody has: the snapshot's own code answers, another kernel runs the command, and xray86 says so. Steps of usage."""
import glob
import json
import subprocess
import tempfile

NOTE = "xray86: note: the answer is only as honest as the snapshot's own kernel, whose code runs unverified, since its image is not here (Linux "
SCRIPT = "uname -r; cat /proc/cmdline /proc/1/stat; ls -l /proc/1/fd; cat /proc/net/unix; echo done; exit 3"


def tree(test):
    """Of a kernel of the same architecture, and another build."""
    folder, name = test.snapshot.kernel_path.rsplit("/", 1)
    return f"{folder}/{'linux-image-amd64' if name != 'linux-image-amd64' else 'linux-image-cloud-amd64'}"


class Runner:
    def __init__(self, test, cache):
        self.test, self.environment = test, test.environment(cache)

    def run(self, *words, script=SCRIPT):
        line = [self.test.xray86, "run", self.test.snapshot.image, *words, "--", "sh", "-c", script]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False, env=self.environment, text=True)
        return done.returncode, done.stdout, done.stderr


def without_the_image(test):
    with tempfile.TemporaryDirectory() as cache:
        runner, other = Runner(test, cache), tree(test)
        image = glob.glob(f"{other}/boot/vmlinuz-*")[0]
        expected = test.run("--", "sh", "-c", SCRIPT)
        told = []
        for words in (["--kernel-path", other], ["--kernel-path", other, "--redirect", "tags"], ["--kernel", image, "--code", "product"]):
            status, out, err = runner.run(*words)
            told.append(err)
            test.expect(f"without the image: {' '.join(words)}", (status, out) == expected[:2] and status == 3 and err.startswith(NOTE) and err.count("\n") == 1
                        and "xray86 kernel SNAPSHOT --get" in err, status, out, err, expected)
        status, out, err = runner.run("--kernel-path", other, "--stats", "--json", script="true")
        lines = [json.loads(line) for line in err.splitlines()[1:]]
        test.expect("that is a field of JSON", status == 0 and not out and {"unproven": True, "trusted_kernel": image.split("/vmlinuz-")[1]} in lines, lines)
        for code in ("verified", "trusted"):
            status, out, err = runner.run("--kernel-path", other, "--code", code)
            test.expect(f"--code {code} needs the image", status == 125 and not out and "needed is Linux " in err and err.count("\n") == 1, status, out, err)
        status, out, err = runner.run("--kernel", image)
        test.expect("another kernel by mistake", status == 125 and not out and "is not the kernel of the snapshot" in err, status, out, err)


STEPS = (without_the_image,)
