import { describe, expect, it } from 'vitest'
import { actOf, belongsToElement, speedAfter } from './keys'

const press = (key: string, more = {}) => ({ key, ctrlKey: false, altKey: false, metaKey: false, ...more })

describe('actOf', () => {
  it.each([
    [' ', { do: 'toggle' }],
    ['k', { do: 'toggle' }],
    ['K', { do: 'toggle' }],
    ['ArrowLeft', { do: 'skip', seconds: -5 }],
    ['l', { do: 'skip', seconds: 10 }],
    ['ArrowUp', { do: 'louder', by: 0.05 }],
    ['m', { do: 'mute' }],
    ['f', { do: 'fullscreen' }],
    ['c', { do: 'captions' }],
    ['7', { do: 'part', tenth: 7 }],
    ['>', { do: 'speed', steps: 1 }],
    ['<', { do: 'speed', steps: -1 }],
  ])('%j', (key, act) => {
    expect(actOf(press(key))).toEqual(act)
  })

  it('leaves other keys and shortcuts of the browser alone', () => {
    for (const key of ['x', 'Tab', 'Enter', 'F5', 'ü']) expect(actOf(press(key))).toBeNull()
    for (const held of ['ctrlKey', 'altKey', 'metaKey']) expect(actOf(press('f', { [held]: true }))).toBeNull()
  })
})

describe('belongsToElement', () => {
  function inside(html: string): Element {
    const box = document.createElement('div')
    box.innerHTML = html
    return box.firstElementChild!
  }
  it.each([
    ['<input type="text">', 'k', true],
    ['<textarea></textarea>', ' ', true],
    ['<button></button>', ' ', true],
    ['<button></button>', 'k', false],
    ['<input type="range">', 'ArrowUp', true],
    ['<input type="range">', 'm', false],
    ['<input type="radio">', 'ArrowDown', true],
    ['<div role="slider"></div>', 'ArrowLeft', false],
    ['<div></div>', ' ', false],
  ])('%s %j → %s', (html, key, expected) => {
    expect(belongsToElement(inside(html), key)).toBe(expected)
  })
})

describe('speedAfter', () => {
  it('goes through the list and stops at its ends', () => {
    expect(speedAfter(1, 1)).toBe(1.25)
    expect(speedAfter(1, -1)).toBe(0.75)
    expect(speedAfter(3, 1)).toBe(3)
    expect(speedAfter(0.5, -1)).toBe(0.5)
    expect(speedAfter(1.1, 1)).toBe(1.5)
  })
})
