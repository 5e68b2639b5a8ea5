// Light, dark, or as the system has it; kept in this browser.
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const WORDS = { auto: "as the system", light: "light", dark: "dark" };

export default {
  data() {
    let theme = null;
    try {
      theme = localStorage.getItem("waldstream-theme");
    } catch {}
    return { theme: theme in NEXT ? theme : "auto" };
  },
  mounted() {
    this.apply();
  },
  methods: {
    turn() {
      this.theme = NEXT[this.theme];
      try {
        localStorage.setItem("waldstream-theme", this.theme);
      } catch {}
      this.apply();
    },
    apply() {
      document.documentElement.dataset.theme = this.theme;
      Quasar.Dark.set(this.theme === "auto" ? "auto" : this.theme === "dark");
    },
    label() {
      return `Colours: ${WORDS[this.theme]}. Switch to ${WORDS[NEXT[this.theme]]}`;
    },
  },
  template: `
    <button type="button" class="icon-button" @click="turn" :aria-label="label()" :title="label()">
      <svg width="18" height="18" viewBox="0 0 18 18" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true">
        <g v-if="theme === 'light'"><circle cx="9" cy="9" r="3.4"/><path stroke-linecap="round" d="M9 1.8v1.6M9 14.6v1.6M1.8 9h1.6M14.6 9h1.6M3.9 3.9l1.1 1.1M13 13l1.1 1.1M14.1 3.9 13 5M5 13l-1.1 1.1"/></g>
        <path v-else-if="theme === 'dark'" d="M15 10.6A6.3 6.3 0 0 1 7.4 3a6.3 6.3 0 1 0 7.6 7.6Z" stroke-linejoin="round"/>
        <g v-else><circle cx="9" cy="9" r="6.3"/><path d="M9 2.7a6.3 6.3 0 0 1 0 12.6Z" fill="currentColor"/></g>
      </svg>
    </button>`,
};
