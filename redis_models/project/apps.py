"""The apps of a project: the packages that declare models, their models, and the folders of their migrations.

An app is a package named in APPS. Classes do not register themselves: a model belongs to an app if a listed module
declares it, imports it from a module of the same package, or lists it in its ``__all__``. So the copies of models that
tests or web frameworks make never belong to an app.
"""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from ..errors import ModelDeclarationError, SettingsError
from ..model.model import AutoModel, Model
from ..store import Store
from .imports import has_module, import_named
from .settings import Settings, load_settings

__all__ = ["MIGRATIONS_FOLDER", "App", "bind", "load_apps", "settings_in_use", "setup"]

# Not "migrations": Django's own loader would import the files there.
MIGRATIONS_FOLDER: Final = "redis_migrations"
_ENGINE: Final = "redis_models.migrations.upgrade_on_read"


@dataclass(frozen=True)
class App:
    """One package with models.

    Attributes:
        label: Last part of the package's name; unique in a project.
        package: Dotted name of the package, or of the module if the app is a single module.
        modules: Dotted names of the modules that declare its models, in the order of APPS.
        migrations_path: Folder of its migration files; it need not exist yet.
        models: Its model classes without the abstract ones, sorted by name.
        left_out: A line for each model that its modules import from a package that is not an app: how to include it.
    """

    label: str
    package: str
    modules: tuple[str, ...]
    migrations_path: Path
    models: tuple[type[Model], ...] = ()
    left_out: tuple[str, ...] = ()


class _Project:
    """The project that is set up in this process. Only the functions of this module use it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_loading = False
        self.settings: Settings | None = None


_project = _Project()


def setup(settings: str | None = None) -> Settings:
    """Load the settings and the models, and bind every model to the server of REDIS_URL.

    Call it when the application starts. Further calls do nothing. It does not connect; the first read or write does.

    Args:
        settings: Dotted name of the settings module; None for the one that the environment or pyproject.toml names.

    Raises:
        SettingsError: There is no settings module, a setting is wrong, or another module was set up already.
        ModelDeclarationError: A model cannot be stored as it is declared.
    """
    with _project.lock:
        if _project.settings is None:
            loaded_settings = load_settings(settings, named_by="redis_models.setup()")
            bind(loaded_settings, load_apps(loaded_settings))
            _project.settings = loaded_settings
        elif settings not in (None, _project.settings.module):
            raise SettingsError(
                settings,
                f"{settings!r} cannot be set up, because {_project.settings.module!r} already is in this process;"
                " bind its models to a Store instead",
            )
        return _project.settings


def settings_in_use() -> Settings | None:
    """Give the settings that ``setup`` loaded in this process; None if it was not called."""
    return _project.settings


def bind(settings: Settings, apps: Sequence[App]) -> Store:
    """Make the store of REDIS_URL, bind every model to it, and install the upgrade of older records on read.

    Raises:
        ModelDeclarationError: A model cannot be stored as it is declared.
    """
    store = Store.from_url(settings.redis_url, name=settings.namespace, resend_writes=settings.resend_writes)
    for app in apps:
        for model in app.models:
            store.register_model(model)
    # By name, because the runtime must not import the engine. An application without the engine reads records of its
    # own version only.
    if importlib.util.find_spec(_ENGINE) is not None:
        install = cast("Callable[[Store, Sequence[App], Settings], None]", importlib.import_module(_ENGINE).install)
        install(store, apps, settings)
    return store


def load_apps(settings: Settings) -> tuple[App, ...]:
    """Import the modules that APPS names and collect their models.

    Returns:
        The apps in the order of APPS. If the settings module declares models, its app comes last, unless APPS has it.

    Raises:
        SettingsError: A module does not exist or cannot be imported, two apps have one label, or there are no models.
        ModelDeclarationError: Two models have one name in one app, or one key space.
    """
    with _project.lock:
        if _project.is_loading:
            raise SettingsError(
                settings.module, "redis_models.setup() was called while models were imported; call it after the imports"
            )
        _project.is_loading = True
        try:
            return _load(settings)
        finally:
            _project.is_loading = False


def _load(settings: Settings) -> tuple[App, ...]:
    found = [_find_app(entry, settings) for entry in settings.apps]
    declaring = sys.modules.get(settings.module)
    if declaring is not None and any(_declared_in(declaring)):
        found.append(_app_of_module(declaring))
    if not found:
        package = settings.module.partition(".")[0]
        raise SettingsError(
            settings.module,
            f"{settings.module}: APPS is missing and no models are declared here;"
            f' name the packages that declare them: APPS = ["{package}"]',
        )
    apps = _merge(found, settings)
    declared = {app.label: _collect(app, apps) for app in apps}
    filled = [
        replace(app, models=_models_of(app, declared), left_out=tuple(_left_out_lines(app, apps, declared)))
        for app in apps
    ]
    _refuse_one_key_space(model for app in filled for model in app.models)
    return tuple(filled)


def _find_app(entry: str, settings: Settings) -> App:
    """Import what an entry of APPS names: a package with a ``models`` module, or a module that declares models."""
    listed = f"(APPS of {settings.module})"
    cure = "correct the entry, or create it with 'redis-models startapp'"
    module = import_named(entry, subject=f"app {entry!r} {listed}", cure=cure, settings=settings.module)
    models = f"{entry}.models"
    if entry.endswith(".models") or not has_module(models):
        if hasattr(module, "__path__") and not entry.endswith(".models") and not any(_declared_in(module)):
            raise SettingsError(settings.module, f"app {entry!r} {listed} has no module {models!r}; create it")
        return _app_of_module(module)
    subject = f"models module {models!r} of app {entry!r} {listed}"
    import_named(models, subject=subject, cure="create it", settings=settings.module)
    return _app(entry, models)


def _app_of_module(module: ModuleType) -> App:
    """Give the app of a module with models: the package around it, or the module itself if it has no package."""
    name = module.__name__
    parent, _, last = name.rpartition(".")
    is_own_package = hasattr(module, "__path__") and last not in ("models", "settings")
    return _app(name if is_own_package or not parent else parent, name)


def _app(package: str, module: str) -> App:
    parent = sys.modules[package]
    locations = getattr(parent, "__path__", None) or [Path(parent.__file__ or ".").parent]
    path = Path(next(iter(locations))).resolve() / MIGRATIONS_FOLDER
    return App(label=package.rpartition(".")[2], package=package, modules=(module,), migrations_path=path)


def _merge(found: Iterable[App], settings: Settings) -> list[App]:
    """Join entries of one package into one app; refuse two apps of one label."""
    apps: dict[str, App] = {}
    for app in found:
        existing = apps.get(app.package)
        joined = () if existing is None else existing.modules
        apps[app.package] = replace(app, modules=tuple(dict.fromkeys((*joined, *app.modules))))
    for attribute, what in (("label", "label"), ("migrations_path", "migrations folder")):
        owners: dict[object, App] = {}
        for app in apps.values():
            other = owners.setdefault(getattr(app, attribute), app)
            if other is not app:
                raise SettingsError(
                    settings.module,
                    f"{settings.module}: APPS names {other.package!r} and {app.package!r}, which have one {what}"
                    f" ({getattr(app, attribute)}); rename one, or move it into a package of its own",
                )
    return list(apps.values())


def _declared_in(module: ModuleType) -> Iterator[type[Model]]:
    """Give the models that a module declares, or a package with its submodules."""
    inside = f"{module.__name__}."
    for model in _models_named_in(module).values():
        if model.__module__ == module.__name__ or (hasattr(module, "__path__") and model.__module__.startswith(inside)):
            yield model


def _models_named_in(module: ModuleType) -> dict[str, type[Model]]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Model) and value not in (Model, AutoModel)
    }


def _collect(app: App, apps: Iterable[App]) -> list[type[Model]]:
    """Give the models of the app's modules, before ``Meta.app`` moves some of them to other apps."""
    # A model that two apps export belongs to the app that declares it.
    foreign = {name for other in apps if other is not app for name in other.modules}
    models: dict[type[Model], None] = {}
    for name in app.modules:
        module = sys.modules[name]
        models.update(dict.fromkeys(_declared_in(module)))
        exported = set(cast("Iterable[str]", getattr(module, "__all__", ())))
        for alias, model in _models_named_in(module).items():
            is_own = not alias.startswith("_") and _owner_of(model, apps) is app
            if (alias in exported and model.__module__ not in foreign) or is_own:
                models[model] = None
    return [model for model in models if not model.__options__.abstract]


def _owner_of(model: type[Model], apps: Iterable[App]) -> App | None:
    """Give the app in whose package a model is declared; the innermost, if packages are nested."""
    around = [app for app in apps if f"{model.__module__}.".startswith(f"{app.package}.")]
    return max(around, key=lambda app: len(app.package), default=None)


def _left_out_lines(app: App, apps: Sequence[App], declared: Mapping[str, Iterable[type[Model]]]) -> Iterator[str]:
    collected = {model for models in declared.values() for model in models}
    for name in app.modules:
        for alias, model in _models_named_in(sys.modules[name]).items():
            is_base = any(model in other.__mro__ for other in collected) or model.__options__.abstract
            if alias.startswith("_") or model in collected or is_base or _owner_of(model, apps) is not None:
                continue
            home = model.__module__
            yield (
                f"{name} imports {alias} from {home}, which is not in APPS, so migrations ignore its records; add"
                f" {alias!r} to __all__ of {name}, or {home!r} to APPS"
            )


def _models_of(app: App, declared: dict[str, list[type[Model]]]) -> tuple[type[Model], ...]:
    models: dict[str, type[Model]] = {}
    for label, candidates in declared.items():
        for model in candidates:
            if (_label(model, declared) or label) != app.label:
                continue
            other = models.setdefault(model.__name__, model)
            if other is not model:
                raise ModelDeclarationError(
                    model.__name__,
                    f"app {app.label!r} has two models with this name, in {other.__module__} and in {model.__module__};"
                    " rename one, or give it another Meta.app",
                )
    return tuple(model for _, model in sorted(models.items()))


def _label(model: type[Model], declared: Iterable[str]) -> str | None:
    label = model.__options__.app
    if label is not None and label not in declared:
        labels = ", ".join(sorted(declared))
        raise ModelDeclarationError(
            model.__name__, f"Meta.app = {label!r} is not an app of this project; its apps are {labels}"
        )
    return label


def _refuse_one_key_space(models: Iterable[type[Model]]) -> None:
    earlier: list[type[Model]] = []
    for model in models:
        keys = model.__mapper__.keys  # of a single model too: this refuses a model that cannot be stored
        for other in earlier:
            shared = other.__mapper__.keys.shared_with(keys)
            if shared is not None:
                raise ModelDeclarationError(
                    model.__name__,
                    f"has the same keys as {other.__module__}.{other.__name__} ({shared}*);"
                    " give one of them another table, prefix or separator in class Meta",
                )
        earlier.append(model)
