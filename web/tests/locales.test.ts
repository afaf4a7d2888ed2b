import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type BaseElementNode, NodeTypes, parse as parseTemplate, type TemplateChildNode } from '@vue/compiler-dom'
import { parse } from '@vue/compiler-sfc'
import { describe, expect, it } from 'vitest'
import { LANGUAGES } from '@/app/i18n/languages'
import { mergeLocales, namespaceOf } from '@/app/i18n/merge'

const src = join(import.meta.dirname, '../src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).map((name) => join(src, name))
const locales = files.filter((name) => /\/locales\/[^/]+\.json$/.test(name))
const components = files.filter((name) => name.endsWith('.vue'))
const sources = files.filter((name) => /\.(vue|ts)$/.test(name) && !name.endsWith('.spec.ts'))

type Tree = Record<string, unknown>

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const pairs = Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'string' ? [[prefix + key, value] as const] : [...flatten(value as Tree, `${prefix}${key}.`)],
  )
  return new Map(pairs)
}

function textsOf(language: string): Map<string, string> {
  const own = locales.filter((name) => name.endsWith(`/${language}.json`))
  return flatten(mergeLocales(Object.fromEntries(own.map((name) => [name, JSON.parse(readFileSync(name, 'utf8'))]))))
}

/** The forms of a text that depends on a number. */
const forms = (text: string): string[] => text.split(' | ')
const placeholders = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g))].sort()

/** Attributes that are read out or shown. */
const SPOKEN = /^(title|label|placeholder|alt|aria-label)$/

function spokenAttributes(element: BaseElementNode): string[] {
  return element.props.flatMap((prop) =>
    prop.type === NodeTypes.ATTRIBUTE && SPOKEN.test(prop.name) ? [prop.value?.content ?? ''] : [],
  )
}

/** Words in a template that no translation covers. */
function bareTexts(template: string): string[] {
  const visit = (node: TemplateChildNode): string[] => {
    if (node.type === NodeTypes.TEXT) return [node.content.trim()]
    return node.type === NodeTypes.ELEMENT ? [...node.children.flatMap(visit), ...spokenAttributes(node)] : []
  }
  return parseTemplate(template).children.flatMap(visit).filter((text) => /\p{L}/u.test(text))
}

describe('locale files', () => {
  const english = textsOf('en')

  it('stand in every folder in all three languages', () => {
    const folders = new Set(locales.map((name) => name.replace(/[^/]+$/, '')))
    expect(folders.size).toBeGreaterThan(2)
    for (const folder of folders) {
      expect(readdirSync(folder).sort()).toEqual(LANGUAGES.map((lang) => `${lang}.json`).sort())
    }
  })

  it.each(LANGUAGES)('%s has the keys and placeholders of en and no empty text', (language) => {
    const texts = textsOf(language)
    expect([...texts.keys()].sort()).toEqual([...english.keys()].sort())
    for (const [key, text] of texts) {
      expect(text.trim(), key).not.toBe('')
      expect(placeholders(text), key).toEqual(placeholders(english.get(key) ?? ''))
    }
  })

  it('say one thing and two things each in its own form', () => {
    const counting = [...english].filter(([, text]) => /\{n\} [a-z]+s\b/.test(text))
    expect(counting.length).toBeGreaterThan(5)
    for (const [key, text] of counting) expect(forms(text), key).toHaveLength(2)
  })

  it('are asked with the number where a form depends on it', () => {
    const counted = [...english].filter(([, text]) => forms(text).length > 1).map(([key]) => key.replaceAll('.', '\\.'))
    const without = new RegExp(`\\bt\\(\\s*'(${counted.join('|')})'(\\)|, \\{[^}]*\\}\\))`)
    expect("t('library.card.views', { n: 1 })").toMatch(without)
    expect("t('library.card.views', { n: '1' }, 1)").not.toMatch(without)
    for (const name of sources) expect(readFileSync(name, 'utf8'), relative(src, name)).not.toMatch(without)
  })

  it('mix no script: simplified in zh-CN, traditional in zh-TW', () => {
    const simplified = /[录会账验码页没发时间设计题视频网编质请显输选择讲师进换传错务报权]/u
    const traditional = /[錄會帳驗碼頁沒發時間設計題視頻網編質請顯輸選擇講師進換傳錯務報權]/u
    for (const [key, text] of textsOf('zh-TW')) expect(text, key).not.toMatch(simplified)
    for (const [key, text] of textsOf('zh-CN')) expect(text, key).not.toMatch(traditional)
  })

  it('have a text for every key that the code asks for', () => {
    const missing = sources.flatMap((name) =>
      [...readFileSync(name, 'utf8').matchAll(/\bt\(\s*'([\w.-]+)'/g)]
        .map((match) => match[1] ?? '')
        .filter((key) => !english.has(key))
        .map((key) => `${relative(src, name)}: ${key}`),
    )
    expect(missing).toEqual([])
  })
})

describe('components', () => {
  it.each(components.map((name) => [relative(src, name), name]))('%s has no bare text', (_short, name) => {
    const template = parse(readFileSync(name, 'utf8')).descriptor.template?.content ?? ''
    expect(bareTexts(template)).toEqual([])
  })

  it('are really read: a bare text is found', () => {
    expect(bareTexts('<p>Hello <b title="World">{{ t("x") }}</b></p>')).toEqual(['Hello', 'World'])
  })
})

describe('namespaceOf', () => {
  it('is the folder above locales', () => {
    expect(namespaceOf('/src/modules/jobs/locales/en.json')).toBe('jobs')
    expect(() => namespaceOf('/src/en.json')).toThrow('not a locale file')
  })
})
