"""A connector of the tutorial's kind, to compare with: a page is loaded whole, and a record printed for each bar.

usage: tutorial_connector.py FIRST_URL PAGES
"""

import datetime
import gzip
import json
import sys
import time
import urllib.request

url, pages = sys.argv[1], int(sys.argv[2])
origin = "/".join(url.split("/")[:3])
for _ in range(pages):
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip", "Authorization": "Bearer benchmark"})
    with urllib.request.urlopen(request) as response:
        answer = json.loads(gzip.decompress(response.read()))
    for bar in answer["results"]:
        data = {
            "date": datetime.date.fromtimestamp(bar["t"] / 1000).isoformat(),
            "stock_ticker": "BENCH",
            "price": bar["c"],
        }
        record = {"stream": "stock_prices", "data": data, "emitted_at": int(time.time() * 1000)}
        print(json.dumps({"type": "RECORD", "record": record}))
    url = origin + "/" + "/".join(answer.get("next_url", "").split("/")[3:])
