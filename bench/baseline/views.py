"""The streaming view of the tutorials."""

import json
from collections.abc import AsyncIterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from openai import AsyncOpenAI

client = AsyncOpenAI()


async def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


async def chat(request: HttpRequest) -> HttpResponseBase:
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse(status=401)
    prompt = json.loads(request.body)["content"]

    async def events() -> AsyncIterator[str]:
        stream = await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}], stream=True
        )
        async for chunk in stream:
            delta = chunk.choices[0].delta.content if chunk.choices else None
            if delta:
                yield f"data: {json.dumps(delta)}\n\n"

    return StreamingHttpResponse(events(), content_type="text/event-stream")
