"""A pod with a shared PID namespace whose one container, the app, has podinit, or another program, as its first process.
`context` is the securityContext of the app's manifest."""
import json

import images
from cri_pod import CriPod
from played import Played
from processes import children
from waiting import wait_until


def pod(engine, *command, context, image=images.WITH_PODINIT):
    kind = InContainerd if engine.NAME == "containerd" else InPodman
    return kind(engine, command, context, image)


class App:
    """What both kinds have."""

    def nested(self):
        """The pid of podinit's child, in the PID namespace of the tests."""
        return children(self.pid("app"))[0]

    def wait_for_log(self, *texts):
        def has_them():
            has_exited, log = not self.is_running("app"), self.log()
            has_all = all(text in log for text in texts)
            if has_exited and not has_all:
                raise AssertionError(f"the app has exited: {log}")
            return has_all

        wait_until(has_them, f"{', '.join(texts)} in the app's log")

    def result(self):
        """Waits until the app has exited. Its exit code and its log."""
        code = self.exit_code("app")
        return code, self.log()


class InPodman(App, Played):
    def __init__(self, podman, command, context, image):
        name = podman.name("app")
        super().__init__(podman, podman.directory / f"{name}.yaml")
        # JSON is YAML.
        self.manifest.write_text(json.dumps({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "shareProcessNamespace": True,
                "restartPolicy": "Never",
                "containers": [{
                    "name": "app",
                    "image": image,
                    "imagePullPolicy": "Never",
                    "command": command,
                    "securityContext": context,
                }],
            },
        }))

    def log(self):
        return self.logs("app")

    def stop_app(self):
        """As the engine does: SIGTERM."""
        self.podman("stop", "--time=60", self.full("app"))

    def exit_code(self, container):
        return self.podman.exit_code(self.full(container))


class InContainerd(App, CriPod):
    def __init__(self, containerd, command, context, image):
        super().__init__(containerd)
        containerd.import_once(image)
        self.command, self.context, self.image = command, context, image

    def __enter__(self):
        super().__enter__()
        try:
            self.run("app", *self.command, image=self.image, context=self.context)
        except BaseException:
            self.__exit__()
            raise
        return self

    def log(self, name="app"):
        return super().log(name)

    def stop_app(self):
        self.stop_container("app")
