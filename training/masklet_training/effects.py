"""Effects of camera and codec on a rendered frame: light, blur, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .textures import grain_bank

Array = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass
class Effects:
    """The camera effects of one clip; ``None`` or 0 switches one off."""

    gains: NDArray[np.float64]  # [T, 3] channel gains
    gamma: float
    noise: int
    blur: float
    jpeg: int
    shade: Array | None  # uint8 [h, w], light passing over the scene: 100 leaves a pixel unchanged
    drift: NDArray[np.float64]  # [T, 2], position of the window on ``shade`` in each frame

    @staticmethod
    def sample(rng: Rng, times: NDArray[np.float64], strength: float) -> Effects:
        """Draw effects; ``strength`` 0 leaves frames unchanged, 1 is rough video."""
        gains = np.ones((len(times), 3))
        if rng.random() < 0.5 * strength:
            flicker = strength * rng.uniform(0.02, 0.25) * np.sin(rng.uniform(0, 6.3) + rng.uniform(0.05, 0.8) * times)
            gains *= np.exp(flicker)[:, None] * np.exp(rng.normal(0, 0.07 * strength, 3))[None]
        gamma = float(np.exp(rng.normal(0, 0.2))) if rng.random() < 0.4 * strength else 1.0
        noise = int(rng.integers(1, 10)) if rng.random() < 0.5 * strength else 0
        blur = float(rng.uniform(0.4, 1.3)) if rng.random() < 0.3 * strength else 0.0
        jpeg = int(rng.integers(25, 90)) if rng.random() < 0.3 * strength else 0
        shade = _moving_light(rng) if rng.random() < 0.2 * strength else None
        drift = 40 + 36 * np.sin(rng.uniform(0, 6.3, 2) + rng.uniform(0.05, 0.5) * times[:, None])
        return Effects(gains, gamma, noise, blur, jpeg, shade, drift)

    def apply(self, rng: Rng, frame: Array, index: int) -> Array:
        """Return the frame [H,W,3] as the camera would record it."""
        if self.shade is not None:
            x, y = (int(v) for v in self.drift[index])
            light = cv2.resize(self.shade[y : y + 80, x : x + 80], (frame.shape[1], frame.shape[0]))
            frame = cv2.multiply(frame, cv2.merge([light, light, light]), scale=0.01)
        gains = self.gains[index]
        if self.gamma != 1.0 or np.abs(gains - 1).max() > 0.004:
            steps = (np.arange(256) / 255) ** self.gamma * 255
            table = np.clip(steps[:, None] * gains[None], 0, 255).astype(np.uint8)[None]
            frame = cv2.LUT(frame, table)
        if self.blur > 0:
            frame = cv2.GaussianBlur(frame, (5, 5), self.blur)
        if self.noise > 0:
            size = max(frame.shape[:2])
            y, x = (int(v) for v in rng.integers(0, 64, 2))
            window = np.s_[y : y + frame.shape[0], x : x + frame.shape[1]]
            plus, minus = grain_bank(size, self.noise)
            frame = cv2.subtract(cv2.add(frame, plus[window]), minus[window])
        if self.jpeg > 0:
            done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
            if done:
                frame = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return frame


def _moving_light(rng: Rng) -> Array:
    """Return soft patches of light and shadow, uint8 [160, 160] around 100."""
    grid = rng.uniform(45, 125, (6, 6)).astype(np.float32)
    if rng.random() < 0.4:  # a shadow with a visible edge
        grid = np.where(grid > 85, np.float32(105), np.float32(60))
    return cv2.resize(grid, (160, 160), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
