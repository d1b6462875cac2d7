"""How the plugin is installed, by the names of what is pressed, in order.

The tests press them on the newest host, and look for them in README.md and its
translations: each way stands there in one row of a table, item of a list or paragraph.
"""

from __future__ import annotations

from dev.environment import ROOT

PAGES = {"en": ROOT / "README.md", "zh-CN": ROOT / "README.zh-CN.md"}
# What opens the menu in which the other ways are; pages write it as they like.
MENU = {"en": "Open create menu", "zh-CN": "打开创建菜单"}
# What stands in the field for an address until one is entered.
ADDRESS = {"en": "Enter the URL to import", "zh-CN": "输入要导入的链接"}

Buttons = dict[str, tuple[str, ...]]

PASTE: Buttons = {
    "en": ("Create", "Save & Create", "Confirm"),
    "zh-CN": ("创建", "保存并创建", "确认"),
}
IMPORT: Buttons = {
    "en": ("Import JSON", "Confirm"),
    "zh-CN": ("导入 JSON", "确认"),
}
LOAD: Buttons = {
    "en": ("Import from URL", "Import", "Save & Create", "Confirm"),
    "zh-CN": ("从链接导入", "导入", "保存并创建", "确认"),
}
SET_UP: Buttons = {
    "en": ("Valves", "Default", "Save"),
    "zh-CN": ("配置项", "默认", "保存"),
}
# Under Settings → Models.
CARDS: Buttons = {
    "en": ("Actions", "Import"),
    "zh-CN": ("操作", "导入"),
}
STEPS = {
    "paste": PASTE,
    "import": IMPORT,
    "load by URL": LOAD,
    "set up": SET_UP,
    "cards": CARDS,
}
