// Asks before a command is sent: what it does, a reason, who asks. The browser's own dialog keeps focus and Escape right.
export default {
  emits: ["confirm"],
  data() {
    let actor = "";
    try {
      actor = localStorage.getItem("waldstream-actor") ?? "";
    } catch {}
    return { what: null, reason: "", actor, error: "", isBusy: false };
  },
  methods: {
    open(what) {
      this.what = what;
      this.reason = "";
      this.error = "";
      this.isBusy = false;
      this.$nextTick(() => {
        this.$refs.dialog.showModal();
        this.$refs.reason.focus();
      });
    },
    close() {
      this.$refs.dialog?.close();
    },
    fail(message) {
      this.error = message;
      this.isBusy = false;
    },
    send() {
      if (this.what.needs_reason && !this.reason.trim()) {
        this.error = "reason: nothing given; allowed: a few words on why, which stay in the history";
        this.$refs.reason.focus();
        return;
      }
      try {
        localStorage.setItem("waldstream-actor", this.actor);
      } catch {}
      this.isBusy = true;
      this.error = "";
      this.$emit("confirm", { type: this.what.type, reason: this.reason.trim(), actor: this.actor.trim() });
    },
  },
  template: `
    <dialog class="ask" ref="dialog" aria-labelledby="ask-title">
      <form v-if="what" method="dialog" @submit.prevent="send">
        <h2 id="ask-title">{{ what.title }}</h2>
        <p>{{ what.effect }}</p>
        <ul v-if="what.names" class="names"><li v-for="name in what.names" :key="name">{{ name }}</li></ul>
        <label class="field"><span class="label">Reason{{ what.needs_reason ? '' : ' (optional)' }}</span>
          <textarea class="input" ref="reason" v-model="reason" maxlength="500" rows="2"></textarea></label>
        <label class="field"><span class="label">Your name (optional)</span>
          <input class="input" v-model="actor" maxlength="100" autocomplete="name" /></label>
        <div v-if="error" class="problem" role="alert">{{ error }}</div>
        <div class="foot">
          <button type="button" class="button" @click="close" :disabled="isBusy">Keep as it is</button>
          <button type="submit" class="button primary" :class="{ danger: what.is_final }" :disabled="isBusy">{{ isBusy ? 'Waiting for the worker…' : what.verb }}</button>
        </div>
      </form>
    </dialog>`,
};
