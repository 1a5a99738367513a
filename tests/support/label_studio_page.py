"""Label Studio's page in Chromium: what its editor holds of a recording, and whether it draws it.

The page of one task is opened once. Each recording is shown by an editor of its own in it, made by the page's own
`LabelStudio`, which fetches, parses and draws as for a task that somebody opens.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, sync_playwright

from storage.settings import Settings

SHOW = """
async (cases) => {
  const shown = [];
  for (const [address, bytes, config] of cases) {
    const blob = bytes === null ? null : new Blob([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))]);
    const box = document.body.appendChild(document.createElement('div'));
    const made = new LabelStudio(box, {
      config, interfaces: [], task: {id: 1, annotations: [], predictions: [],
      data: {csv: blob ? URL.createObjectURL(blob) : address}},
      onStorageInitialized(editor) {
        const annotation = editor.annotationStore.addAnnotation({userGenerate: true});
        editor.annotationStore.selectAnnotation(annotation.id);
      },
    });
    const found = {error: 'nothing was shown', times: null, channels: {}, drawn: []};
    for (let tries = 0; tries < 400; tries++) {
      await new Promise(done => setTimeout(done, 5));
      const store = window.Htx && window.Htx.annotationStore;
      const series = store && store.selected && store.selected.names.get('ts');
      if (!series) continue;
      const errors = store.validation || [];
      if (errors.length) { found.error = errors.map(error => String(error.value)).join('; '); break; }
      found.drawn = [...box.querySelectorAll('.htx-timeseries-channel path')].map(path => path.getAttribute('d'));
      if (!series.valueLoaded || !series.headers.length || found.drawn.filter(Boolean).length === 0) continue;
      const held = series.dataObj;
      const lengths = new Set(Object.values(held).map(cells => cells.length));
      found.error = lengths.size > 1 ? 'columns of different lengths' : '';
      found.times = [...held[series.keyColumn]];
      for (const channel of series.channels) found.channels[channel.columnName] = [...held[channel.columnName]];
      break;
    }
    shown.push(found);
    try { made.destroy(); } catch (gone) { }
    box.remove();
  }
  return shown;
}
"""
READY = (
    "window.LabelStudio && window.Htx && window.Htx.annotationStore && window.Htx.annotationStore.selected"
)


@dataclass(frozen=True)
class Shown:
    """What the page made of a recording.

    Attributes:
        error: what it shows in its place; "" where it shows the recording.
        times, channels: what it holds, channels in the order of the label config; text where a cell is no number.
        whole: whether all of each channel is drawn: a value that is no number ends its line.
    """

    error: str
    times: list[Any]
    channels: list[list[Any]]
    whole: bool


@contextmanager
def open_page(settings: Settings, project: int, task: int) -> Iterator[Page]:
    """The page of a task in Chromium, logged in, in a time zone that is not UTC."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_context(timezone_id="America/New_York").new_page()
        page.goto(f"{settings.label_studio_url}/user/login/")
        page.fill("input[name=email]", settings.label_studio_username)
        page.fill("input[name=password]", settings.label_studio_password.get_secret_value())
        page.click("button[type=submit]")
        page.wait_for_load_state()
        page.goto(f"{settings.label_studio_url}/projects/{project}/data?task={task}")
        page.wait_for_function(READY, timeout=60_000)
        yield page
        browser.close()


def show(page: Page, cases: Sequence[tuple[str | bytes, str]]) -> list[Shown]:
    """What the page makes of recordings: each an address, or bytes, and a label config."""
    given = [
        (source, None, config) if isinstance(source, str) else ("", base64.b64encode(source).decode(), config)
        for source, config in cases
    ]
    return [
        Shown(
            found["error"],
            found["times"] or [],
            list(found["channels"].values()),
            not any("NaN" in (path or "") for path in found["drawn"]),
        )
        for found in page.evaluate(SHOW, given)
    ]
