"""The networks as their public implementations compute them, for comparing speed: same layers, plain loops and sorts.

Each function takes a model of this package, so that weights are shared and outputs can be compared, and frames or
segments in the shape that the published code takes.
"""

import torch
from torch import nn
from torch.nn import functional


def memnet(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Ten crops one after the other, each through the whole network; the mean of their ten outputs."""
    size, side = model.config.crop_size, model.config.image_size
    far, middle = side - size, (side - size) // 2
    outputs = []
    for mirrored in (False, True):
        for y, x in ((middle, middle), (0, 0), (0, far), (far, 0), (far, far)):
            crop = (pixels * 255)[:, [2, 1, 0]] - model.mean_image
            crop = crop[:, :, y : y + size, x : x + size]
            crop = torch.flip(crop, [3]) if mirrored else crop
            h = model.norm(functional.max_pool2d(functional.relu(model.conv1(crop)), 3, 2))
            h = model.norm(functional.max_pool2d(functional.relu(model.conv2(h)), 3, 2))
            h = functional.relu(model.conv4(functional.relu(model.conv3(h))))
            h = functional.max_pool2d(functional.relu(model.conv5(h)), 3, 2).flatten(1)
            outputs.append(model.fc8(functional.relu(model.fc7(functional.relu(model.fc6(h))))))
    return torch.stack(outputs).mean(dim=0)


def resnet3d(model: nn.Module, clips: torch.Tensor) -> torch.Tensor:
    """Blocks out of place; shortcut A as an average pooling and a concatenation with zeros."""
    x = functional.max_pool3d(functional.relu(model.bn1(model.conv1(clips))), 3, 2, 1)
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in stage:
            residual = x
            out = functional.relu(block.bn1(block.conv1(x)))
            out = block.bn2(block.conv2(out))
            if block.downsample is not None:
                pooled = functional.avg_pool3d(x, kernel_size=1, stride=block.downsample.stride)
                zeros = pooled.new_zeros(pooled.shape[0], out.shape[1] - pooled.shape[1], *pooled.shape[2:])
                residual = torch.cat([pooled, zeros], dim=1)
            x = functional.relu(out + residual)
    return model.fc(functional.adaptive_avg_pool3d(x, 1).flatten(1))


def c3d(model: nn.Module, clips: torch.Tensor) -> torch.Tensor:
    """Layer by layer, nothing in place."""
    x = clips.flip(1)
    for names, pool, padding in (
        (["conv1"], (1, 2, 2), 0),
        (["conv2"], 2, 0),
        (["conv3a", "conv3b"], 2, 0),
        (["conv4a", "conv4b"], 2, 0),
        (["conv5a", "conv5b"], 2, (0, 1, 1)),
    ):
        for name in names:
            x = functional.relu(model.get_submodule(name)(x))
        x = functional.max_pool3d(x, pool, padding=padding)
    x = functional.relu(model.fc6(x.flatten(1)))
    return functional.softmax(model.fc8(functional.relu(model.fc7(x))), dim=1)


def semantic_embedding(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Weldon pooling by a full sort of every channel."""
    shared = model.trunk(pixels)
    x = model.last_conv(shared)
    if model.attention_conv is not None:
        logits = model.attention_conv(shared)
        attention = functional.softmax(logits.view(logits.shape[0], -1), dim=1).view_as(logits)
        x = x * attention * (x.shape[2] * x.shape[3])
    ordered, _ = torch.sort(x.flatten(2), dim=2, descending=True)
    k = model.config.pool_size
    pooled = ordered[:, :, :k].sum(dim=2) / k + ordered[:, :, -k:].sum(dim=2) / k
    embedding = model.projection(pooled)
    return model.mlp(embedding / torch.norm(embedding, 2, dim=1, keepdim=True))


def amnet(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Annotation vectors transposed and copied back and forth at each step."""
    x = functional.relu(model.bn1(model.inconv(model.core_cnn(pixels))))
    a = x.view(x.shape[0], x.shape[1], -1)
    average = a.mean(2)
    h, c = torch.tanh(model.hs1(average)), torch.tanh(model.hc1(average))
    e = functional.relu(model.e1(a.transpose(2, 1).contiguous().view(-1, a.shape[1])))
    e = e.view(-1, a.shape[2], a.shape[1]).transpose(2, 1)
    rnn = nn.LSTM(a.shape[1], h.shape[1], device="meta")
    rnn.load_state_dict(model.rnn.state_dict(), assign=True)
    state, outputs = (h[None].contiguous(), c[None].contiguous()), []
    for _ in range(model.config.lstm_steps):
        eh = functional.relu(e + model.eh1(h).view(-1, 1, a.shape[2]))
        eh = model.eh3(eh.transpose(2, 1).contiguous().view(-1, a.shape[1])).view(-1, a.shape[2])
        alpha = functional.softmax(eh, dim=1)
        z = a.bmm(alpha.view(alpha.shape[0], -1, 1)).view(a.shape[0], a.shape[1])
        h, state = rnn(z[None], state)
        h = h.squeeze(0)
        outputs.append(model.regnet4(functional.relu(model.regnet1(h))))
    return torch.cat(outputs, 1).mean(dim=1, keepdim=True) / 2 + 0.754


def vitmem(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Attention with the matrix of weights written out."""
    vit = model.vit
    x = vit.patch_embed.proj(pixels).flatten(2).transpose(1, 2)
    x = torch.cat((vit.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + vit.pos_embed
    for block in vit.blocks:
        heads = block.attn.heads
        q, k, v = block.attn.qkv(block.norm1(x)).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)
        x = x + block.attn.proj((weights @ v).transpose(1, 2).flatten(2))
        x = x + block.mlp.fc2(functional.gelu(block.mlp.fc1(block.norm2(x))))
    return torch.sigmoid(vit.head(vit.norm(x)[:, 0]))


def resmem(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Both branches, then the seven linear layers."""
    x = model.norm(model.pool(functional.relu(model.conv1(pixels))))
    x = model.norm(model.pool(functional.relu(model.conv2(x))))
    x = functional.relu(model.conv4(functional.relu(model.conv3(x))))
    x = model.pool(functional.relu(model.conv5(x))).flatten(1)
    x = torch.cat((x, model.features(pixels)), 1)
    *hidden, last = model.head_modules
    for name in hidden:
        x = functional.relu(model.get_submodule(name)(x))
    return torch.sigmoid(model.get_submodule(last)(x))


def squalli(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Two VGGs, one after the other."""
    networks = (model.vgg, model.caption_vgg)
    streams = [net.classifier(torch.flatten(net.features(pixels), 1)) for net in networks]
    caption = model.caption_projection(streams[1])
    caption = caption / caption.norm(dim=1, keepdim=True)
    joined = [functional.layer_norm(s, s.shape[1:]) for s in (streams[0], caption)]
    return model.mlp(torch.cat(joined, dim=1))


def feature_mlp(model: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Standardise, then layer by layer."""
    x = (features - model.feature_mean) / model.feature_std
    for layer in model.layers[:-1]:
        x = torch.tanh(layer(x))
    return model.layers[-1](x)
